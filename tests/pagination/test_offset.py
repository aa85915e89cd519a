"""The visit against simulated lists that change between any two reads.

A list is simulated as a row of raw entries, some hidden after limit and offset; `Source` applies churn before each
read. What was visible throughout a visit must have been returned by it, whatever happened in between.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.catalogue import Order
from harvester.pagination import offset
from harvester.pagination.offset import Certificate, Entry, Listing, OffsetState, ProvenBy

LIMIT = 10


@dataclass
class Source:
    """A list under change. Raw entries are (id, key); `hidden` ones take a place and are not served."""

    listing: Listing
    rng: random.Random
    length: int
    inserts: float = 0.0
    deletes: float = 0.0
    reorders: float = 0.0
    lag: int = 0
    cache: float = 0.0
    """Share of reads that an earlier answer to the same address is served for, however old."""
    answers: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    ties: int = 1
    hidden_share: float = 0.0
    raw: list[tuple[int, int]] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    versions: list[list[tuple[int, int]]] = field(default_factory=list)
    next_id: int = 1
    clock: int = 0
    touched: set[int] = field(default_factory=set)
    clamp: int | None = None
    """Items that a page holds at most, whatever the limit."""
    ceiling: int | None = None
    """The first offset at which every page is empty."""
    served: int | None = None
    """Items from the head that are served at all."""
    emptied: float = 0.0
    """Share of reads, but for those of the head, that are answered with an empty page."""

    def __post_init__(self) -> None:
        for _ in range(self.length):
            self.insert()
        self.versions = [list(self.raw)]
        self.touched.clear()

    @property
    def grows_at_head(self) -> bool:
        return self.listing.order is Order.NEWEST_FIRST

    def insert(self) -> None:
        if self.rng.randrange(self.ties) == 0:
            self.clock += 1
        entry = (self.next_id, self.clock)
        self.next_id += 1
        if self.rng.random() < self.hidden_share:
            self.hidden.add(entry[0])
        self.raw.insert(0 if self.grows_at_head else len(self.raw), entry)

    def churn(self) -> None:
        for _ in range(_poisson(self.rng, self.inserts)):
            self.insert()
        for _ in range(min(_poisson(self.rng, self.deletes), len(self.raw))):
            gone = self.raw.pop(self.rng.randrange(len(self.raw)))
            self.touched.add(gone[0])
        if self.raw and self.rng.random() < self.reorders:
            moved = self.raw.pop(self.rng.randrange(len(self.raw)))
            self.clock += 1
            self.raw.insert(0, (moved[0], self.clock))
        self.versions = [*self.versions, list(self.raw)][-1 - self.lag :]

    def read(self, offset: int) -> list[Entry]:
        self.churn()
        version = self.rng.choice(self.versions)
        if offset in self.answers and self.rng.random() < self.cache:
            version = self.answers[offset]
        elif self.cache:
            self.answers[offset] = list(version)
        if (self.ceiling is not None and offset >= self.ceiling) or (offset and self.rng.random() < self.emptied):
            return []
        version = version[: self.served]
        slice_ = version[offset : offset + min(self.listing.limit, self.clamp or self.listing.limit)]
        return [Entry(item, key if self.listing.keyed else None) for item, key in slice_ if item not in self.hidden]

    def visible(self) -> set[int]:
        return {item for item, _ in self.raw if item not in self.hidden}


def _poisson(rng: random.Random, mean: float) -> int:
    whole = int(mean)
    return whole + (rng.random() < mean - whole)


@dataclass
class Outcome:
    certificate: Certificate
    returned: set[int]
    requests: int
    stable: set[int]
    contradicted: bool

    @property
    def missed(self) -> set[int]:
        return self.stable - self.returned


def run(source: Source, last: Certificate | None = None, most: int = 3000) -> Outcome:
    start = source.visible()
    for version in (*source.versions, *source.answers.values()):
        start &= {item for item, _ in version}
    source.touched.clear()
    state = offset.begin(source.listing, last)
    returned: set[int] = set()
    contradicted = False
    for requests in range(1, most):
        page = source.read(state.offset)
        returned |= {entry.id for entry in page}
        # A visit may be cut anywhere and go on from its checkpoint.
        state = msgspec.json.decode(msgspec.json.encode(state), type=OffsetState)
        result = offset.step(source.listing, state, page)
        contradicted |= result.contradiction
        if result.done is not None:
            stable = (start & source.visible()) - source.touched
            return Outcome(result.done, returned, requests, stable, contradicted)
    pytest.fail(f"no visit_result after {most} requests")


def confirmed(source: Source) -> Outcome:
    """Two visits, of which the second confirms where the list ends."""
    first = run(source)
    second = run(source, first.certificate)
    second.returned |= first.returned
    assert second.certificate.confirmed
    return second


NEWEST_KEYED = Listing(order=Order.NEWEST_FIRST, keyed=True, stop_after_empty_pages=0, limit=LIMIT)
NEWEST = Listing(order=Order.NEWEST_FIRST, limit=LIMIT)
OLDEST = Listing(order=Order.OLDEST_FIRST, limit=LIMIT, stop_after_empty_pages=2)
OLDEST_KEYED = Listing(order=Order.OLDEST_FIRST, keyed=True, stop_after_empty_pages=0, limit=LIMIT)
UNKNOWN = Listing(order=Order.UNKNOWN, limit=LIMIT)
SHARED = Listing(order=Order.NEWEST_FIRST, keyed=True, stop_after_empty_pages=2, reorders=True, limit=LIMIT)
LISTINGS = {
    "newest by key": NEWEST_KEYED,
    "newest": NEWEST,
    "oldest": OLDEST,
    "oldest by key": OLDEST_KEYED,
    "unknown": UNKNOWN,
    "shared": SHARED,
}
CHURN = {
    "inserts": {"inserts": 2.0},
    "deletes": {"deletes": 2.0},
    "both": {"inserts": 1.5, "deletes": 1.5},
    "heavy": {"inserts": 3.0, "deletes": 3.0},
    "lag": {"inserts": 1.0, "deletes": 1.0, "lag": 2},
    "cache": {"inserts": 1.0, "deletes": 1.0, "lag": 1, "cache": 0.4},
}


SHRINKING = {
    "deletes": {"deletes": 3.0},
    "both": {"inserts": 0.5, "deletes": 3.0},
    "lag": {"inserts": 0.5, "deletes": 3.0, "lag": 2},
    "cache": {"inserts": 0.5, "deletes": 3.0, "lag": 1, "cache": 0.4},
}
"""Where more leaves than enters, which draws unread items past a visit that checks nothing."""


@pytest.mark.parametrize("churn", CHURN, ids=str)
@pytest.mark.parametrize("name", LISTINGS, ids=str)
def test_nothing_stable_is_missed(name: str, churn: str) -> None:
    """1,000 visits and more over all parameters, of lists of 0 to 200 items with up to six changes a request."""
    for seed in range(40):
        rng = random.Random(f"{name}{churn}{seed}")
        source = Source(
            LISTINGS[name],
            rng,
            length=rng.choice([0, 1, 5, LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT, 60, 120, 200]),
            ties=rng.choice([1, 1, 3, 8]),
            # A move that a cached head hides, and a tail read after it shows no more, no visit can tell.
            reorders=0.3 if LISTINGS[name].reorders and churn != "cache" else 0.0,
            **CHURN[churn],
        )
        if not source.grows_at_head:
            source.inserts *= 0.3  # a list that grows at its tail as fast as it is read has no end
        outcome = run(source)
        if outcome.certificate.complete and outcome.certificate.proven_by is not ProvenBy.AGREEMENT:
            assert not outcome.missed, f"seed {seed}"
        else:
            assert outcome.certificate.proven_by in (ProvenBy.AGREEMENT, ProvenBy.NONE)


@pytest.mark.parametrize("name", LISTINGS, ids=str)
def test_certificates_are_the_rule(name: str) -> None:
    """Under ordinary churn (a change every few requests) a visit ends with a certificate by key or identity."""
    proved = 0
    for seed in range(60):
        rng = random.Random(seed)
        outcome = run(Source(LISTINGS[name], rng, length=rng.randrange(200), inserts=0.3, deletes=0.3, ties=2))
        assert not outcome.missed or outcome.certificate.proven_by is ProvenBy.NONE
        proved += outcome.certificate.proven_by in (ProvenBy.KEY, ProvenBy.IDENTITY)
    assert proved >= 57


@pytest.mark.parametrize("served", [0, LIMIT])
@pytest.mark.parametrize("name", ["newest", "oldest", "unknown", "shared"])
def test_certificates_are_the_rule_where_items_are_hidden_too(name: str, served: int) -> None:
    """Behind a short page the next one is placed so near that what leaves meanwhile draws nothing past it."""
    for seed in range(60):
        listing = msgspec.structs.replace(LISTINGS[name], served=served)
        source = Source(listing, random.Random(seed), length=120, hidden_share=0.3, deletes=0.1)
        outcome = run(source)
        assert not outcome.missed
        assert outcome.certificate.proven_by in (ProvenBy.KEY, ProvenBy.IDENTITY), seed


@pytest.mark.parametrize("churn", SHRINKING, ids=str)
@pytest.mark.parametrize("name", ["newest by key", "newest", "oldest", "shared"])
def test_without_the_certificate_items_are_missed(name: str, churn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard is what the property rests on: with it off, the same visits lose live items."""
    monkeypatch.setattr(offset, "_certified", lambda *_: True)
    missed = 0
    for seed in range(40):
        source = Source(LISTINGS[name], random.Random(seed), length=200, **SHRINKING[churn])
        missed += bool(run(source).missed)
    assert missed > 20


@pytest.mark.parametrize("churn", CHURN, ids=str)
@pytest.mark.parametrize("name", ["newest by key", "oldest by key", "oldest", "shared"])
def test_successive_visits_miss_no_lasting_item(name: str, churn: str) -> None:
    """Ten visits, each from the certificate of the one before, cut anywhere and under change: what entered before one
    of them began, and stays, has been returned by then."""
    for seed in range(12):
        rng = random.Random(f"{name}{churn}{seed}")
        source = Source(
            LISTINGS[name],
            rng,
            length=rng.choice([0, 3, LIMIT, 35, 120]),
            ties=rng.choice([1, 3]),
            reorders=0.2 if LISTINGS[name].reorders and churn != "cache" else 0.0,
            **{key: value * (0.5 if key in ("inserts", "deletes") else 1) for key, value in CHURN[churn].items()},
        )
        source.answers.clear()
        last: Certificate | None = None
        known: set[int] = set()
        for _ in range(10):
            if "cache" in CHURN[churn]:
                # A cache that outlives the pause between two visits hides what came in between, and no visit can tell.
                source.answers.clear()
            outcome = run(source, last)
            known |= outcome.returned
            if outcome.certificate.proven_by not in (ProvenBy.AGREEMENT, ProvenBy.NONE):
                assert outcome.stable <= known, (seed, sorted(outcome.stable - known))
            last = outcome.certificate if outcome.certificate.complete else last
            for _ in range(rng.randrange(12)):
                source.churn()


def test_without_its_stop_rule_a_visit_misses_new_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping at the first known item, as many do, loses what moved or entered below it."""

    stop_rule = offset._arrived

    def miss(rule: Callable[..., bool]) -> int:
        found = 0
        for seed in range(40):
            source = Source(SHARED, random.Random(seed), length=80)
            monkeypatch.setattr(offset, "_arrived", stop_rule)
            first = confirmed(source)
            monkeypatch.setattr(offset, "_arrived", rule)
            for _ in range(14):
                source.insert()
            # One that was known is shared again, and stands among the new ones.
            moved = source.raw.pop()
            source.clock += 1
            source.raw.insert(3, (moved[0], source.raw[2][1]))
            second = run(source, first.certificate)
            found += bool(source.visible() - first.returned - second.returned)
        return found

    assert miss(stop_rule) == 0
    known = set(range(1, 81))
    assert miss(lambda _listing, _state, page: any(entry.id in known for entry in page)) > 30


@pytest.mark.parametrize(
    ("back", "in_order", "guard"),
    [(2, True, {"_HEAD_EVIDENCE": 1}), (5, False, {"pairwise": lambda _: ()})],
    ids=["few in order", "many in another"],
)
def test_items_that_return_to_the_head_hide_no_new_one(
    back: int, in_order: bool, guard: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followers who left and followed again stand among the new ones: neither few of them nor many in another order
    show an incremental visit that it has arrived."""

    def miss() -> int:
        found = 0
        for seed in range(40):
            source = Source(NEWEST, random.Random(seed), length=80)
            first = confirmed(source)
            returning = sorted(source.rng.sample(source.raw[:LIMIT], back), reverse=not in_order)
            for _ in range(14):
                source.insert()
            for entry in returning:
                source.raw.remove(entry)
                source.raw.insert(2, entry)
            second = run(source, first.certificate)
            found += bool(source.visible() - first.returned - second.returned)
        return found

    assert miss() == 0
    for name, value in guard.items():
        monkeypatch.setattr(offset, name, value)
    assert miss() > 30


def test_without_the_recheck_moved_items_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def miss() -> int:
        return sum(
            bool(run(Source(SHARED, random.Random(seed), length=200, reorders=0.5)).missed) for seed in range(60)
        )

    assert miss() == 0
    monkeypatch.setattr(offset, "_end", lambda *place, whole=False, **_: offset._done(*place, whole=whole))
    assert miss() > 30


@given(
    length=st.integers(0, 130),
    hidden=st.sampled_from([0.0, 0.1, 0.4, 0.8, 1.0]),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(["newest", "oldest", "unknown", "shared"]),
)
def test_hidden_items_end_no_visit(length: int, hidden: float, seed: int, name: str) -> None:
    """A list filtered after limit and offset, unchanged: every visible item is found while gaps stay short.

    As many pages as must be empty at the end may be hidden in a row, less one item.
    """
    source = Source(LISTINGS[name], random.Random(seed), length=length, hidden_share=hidden)
    outcome = run(source)
    gap = longest = 0
    for item, _ in source.raw:
        gap = gap + 1 if item in source.hidden else 0
        longest = max(longest, gap)
    if longest < max(1, source.listing.stop_after_empty_pages) * LIMIT:
        assert outcome.certificate.complete
        assert not outcome.missed


def test_a_hidden_page_costs_one_second_read_in_all() -> None:
    source = Source(SHARED, random.Random(1), length=60)
    source.hidden = {item for item, _ in source.raw[15:28]}
    first = run(source)
    assert first.certificate.proven_by is ProvenBy.AGREEMENT
    assert not first.missed
    assert run(source, first.certificate).requests == 2
    first.certificate.confirmed = True
    assert run(source, first.certificate).requests == 1
    source.insert()
    second = run(source, first.certificate)
    assert source.raw[0][0] in second.returned
    assert second.requests < first.requests / 2


def test_a_list_without_proof_by_offset_is_read_once_more() -> None:
    source = Source(msgspec.structs.replace(UNKNOWN, stop_after_empty_pages=2), random.Random(1), length=60)
    source.hidden = {item for item, _ in source.raw[15:32]}
    first = run(source)
    assert first.certificate.proven_by is ProvenBy.AGREEMENT
    # Seven pages and an empty one, and that the empty one is no refusal to serve more.
    assert run(source, first.certificate).requests == 9
    source.insert()
    second = run(source, first.certificate)
    assert second.returned == source.visible()


@given(
    length=st.integers(0, 90),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(["newest by key", "oldest by key"]),
)
def test_a_contradicted_order_needs_two_agreeing_reads(length: int, seed: int, name: str) -> None:
    """The source serves the list the other way round: no certificate by place, and yet nothing is missed."""
    listing = LISTINGS[name]
    source = Source(listing, random.Random(seed), length=length)
    source.raw.reverse()
    source.versions = [list(source.raw)]
    outcome = run(source)
    assert not outcome.missed
    if length > 1:
        assert outcome.contradicted
        assert outcome.certificate.proven_by is ProvenBy.AGREEMENT


def test_an_unchanged_head_proves_no_contradicted_list() -> None:
    """The source keeps the order on the first page alone: what is new may stand anywhere."""
    source = Source(NEWEST_KEYED, random.Random(1), length=60)
    source.raw[LIMIT:] = reversed(source.raw[LIMIT:])
    source.versions = [list(source.raw)]
    outcome = run(source)
    assert outcome.contradicted
    source.raw.append((source.next_id, source.clock + 1))
    assert run(source, outcome.certificate).returned == source.visible()


@pytest.mark.parametrize("name", LISTINGS, ids=str)
@pytest.mark.parametrize("length", [0, 1, 5, LIMIT - 1, LIMIT, LIMIT + 1, 35, 200])
def test_an_unchanged_list_is_one_request_after_confirmation(name: str, length: int) -> None:
    source = Source(LISTINGS[name], random.Random(1), length=length)
    first = run(source)
    assert first.certificate.complete
    second = run(source, first.certificate)
    third = run(source, second.certificate)
    if LISTINGS[name].order is Order.UNKNOWN and length >= LIMIT:
        assert second.returned == third.returned == source.visible()
        assert third.requests == second.requests
    else:
        # Where the first page does not show the end of the list, one more request confirms it, once.
        assert second.requests == 1 + (source.grows_at_head and length >= LIMIT)
        assert third.requests == 1
    assert second.certificate.confirmed
    assert third.certificate.confirmed


@given(
    length=st.integers(0, 90),
    new=st.integers(0, 60),
    gone=st.integers(0, 30),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(sorted(LISTINGS)),
)
def test_an_incremental_visit_finds_all_new_items(length: int, new: int, gone: int, seed: int, name: str) -> None:
    """Items added and removed between two visits: the second finds each new one, reading no more than it must."""
    source = Source(LISTINGS[name], random.Random(seed), length=length, ties=3)
    first = run(source)
    known = set(first.returned)
    for _ in range(new):
        source.insert()
    for _ in range(min(gone, len(source.raw))):
        source.raw.pop(source.rng.randrange(len(source.raw)))
    second = run(source, first.certificate)
    assert source.visible() - known <= second.returned


def test_an_incremental_visit_stops_at_certified_items() -> None:
    for name in ("newest by key", "newest", "shared", "oldest", "oldest by key"):
        source = Source(LISTINGS[name], random.Random(2), length=500)
        first = confirmed(source)
        for _ in range(3):
            source.insert()
        second = run(source, first.certificate)
        assert second.requests <= 4, name


def test_late_entrants_within_the_margin_are_found() -> None:
    """A comment released late enters below the newest key; the margin makes the next visit read so far."""
    listing = Listing(order=Order.NEWEST_FIRST, keyed=True, stop_after_empty_pages=0, limit=LIMIT, lookback=15)
    source = Source(listing, random.Random(3), length=100)
    first = confirmed(source)
    late = (10_000, source.raw[12][1])
    source.raw.insert(12, late)
    source.insert()
    assert late[0] in run(source, first.certificate).returned
    bare = msgspec.structs.replace(listing, lookback=0)
    source.listing = bare
    assert late[0] not in run(source, first.certificate).returned


def test_an_ignored_offset_ends_without_a_certificate() -> None:
    page = [Entry(item, 100 - item) for item in range(LIMIT)]
    state = offset.begin(NEWEST_KEYED)
    for _ in range(10):
        result = offset.step(NEWEST_KEYED, state, page)
        if result.done:
            break
    assert result.done is not None
    assert not result.done.complete


def test_that_an_unknown_item_stands_on_two_pages_proves_nothing() -> None:
    """Items without an identity look alike: only what is known to be the same ties one page to the next."""
    listing = offset.Listing(order=offset.Order.OLDEST_FIRST, limit=4)
    hole = Entry(-1, None, hole=True)
    served = [Entry(1), Entry(2), Entry(3), hole, Entry(4), hole, *map(Entry, range(5, 12))]
    state, found = offset.begin(listing), set()
    for number in range(40):
        if number == 1:
            del served[:3]
        page = served[state.offset : state.offset + listing.limit]
        found.update(entry.id for entry in page)
        result = offset.step(listing, state, page)
        if result.done is not None:
            break
    assert result.certified
    assert set(range(4, 12)) <= found


@pytest.mark.parametrize("listing", [NEWEST_KEYED, offset.Listing(order=offset.Order.OLDEST_FIRST)])
@pytest.mark.parametrize("every", [3, 40])
def test_gaps_in_a_list_cost_no_request(listing: offset.Listing, every: int) -> None:
    """A list with holes takes as many pages as one without, is read to its end, and stands unchanged the next time."""

    def read(holes: bool, last: offset.Certificate | None = None) -> tuple[int, offset.Step]:
        served = [
            Entry(-number, None, hole=True)
            if holes and number % every == 0
            else Entry(number, 1000 - number if listing.keyed else None)
            for number in range(1, 500)
        ]
        state, result = offset.begin(listing, last), offset.Step()
        while result.done is None:
            result = offset.step(listing, state, served[state.offset : state.offset + listing.limit])
        assert result.certified
        return state.pages, result

    pages, result = read(holes=True)
    assert (result.whole, result.found) == (True, 499)
    assert pages <= read(holes=False)[0] + 1
    if listing.order is Order.NEWEST_FIRST:
        pages, result = read(holes=True, last=result.done)
        assert pages == 2  # one of them to confirm where the list ends
    assert read(holes=True, last=result.done)[0] == 1


# Faults of the source: pages cut short, places refused, a list that ends too early. -----------------------------------

BY_PLACE = ["newest by key", "newest", "oldest", "oldest by key", "unknown", "shared"]


def clamped(name: str, seed: int, *, served: int) -> Source:
    """A list under light churn whose pages hold 3 to 9 items of the 10 asked for; `served` is what is known of that."""
    rng = random.Random(f"{name}{seed}")
    listing = msgspec.structs.replace(LISTINGS[name], served=served)
    clamp = rng.randrange(3, LIMIT)
    return Source(listing, rng, length=rng.randrange(150), ties=rng.choice([1, 2]), deletes=0.2, clamp=clamp)


@pytest.mark.parametrize("served", [0, 3])
@pytest.mark.parametrize("name", BY_PLACE)
def test_a_clamped_page_size_is_learned_within_a_visit(name: str, served: int) -> None:
    for seed in range(40):
        source = clamped(name, seed, served=served)
        outcome = run(source)
        assert source.clamp is not None
        assert not outcome.missed, seed
        assert outcome.certificate.complete
        if outcome.certificate.proven_by is not ProvenBy.AGREEMENT:
            least = len(outcome.stable) / source.clamp
            assert outcome.requests <= 5 + 3 * least, seed


def test_without_the_learned_size_a_clamp_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset, "_size", lambda listing, _: listing.limit)
    assert sum(bool(run(clamped("newest by key", seed, served=0)).missed) for seed in range(40)) > 30


def test_a_page_shorter_than_others_of_late_is_the_end() -> None:
    """What is known of other lists saves the request that would show that the page was not cut short."""
    for name, behind in (("newest by key", 0), ("unknown", 1)):
        for served, requests in ((0, 2), (5, 2), (6, 1 + behind), (LIMIT, 1 + behind)):
            listing = msgspec.structs.replace(LISTINGS[name], served=served)
            source = Source(listing, random.Random(1), length=5)
            first = run(source)
            assert first.requests == requests + (served <= 5 and behind)
            assert run(source, first.certificate).requests == 1


@pytest.mark.parametrize("clamp", [None, 6])
@pytest.mark.parametrize("name", BY_PLACE)
def test_a_ceiling_on_the_offset_is_not_the_end_of_a_list(name: str, clamp: int | None) -> None:
    """All that stands below the ceiling is read, today and when it has sunk, and nothing is told of what is behind."""
    for seed in range(30):
        rng = random.Random(f"{name}{seed}")
        listing = msgspec.structs.replace(LISTINGS[name], served=clamp or LIMIT)
        source = Source(listing, rng, length=rng.randrange(100, 160), clamp=clamp, ceiling=rng.randrange(60, 90))
        last: Certificate | None = None
        for ceiling in (source.ceiling, rng.randrange(20, 50)):
            source.ceiling = ceiling
            outcome = run(source, last)
            last = outcome.certificate
            assert last.complete
            assert last.capped, seed
            assert outcome.requests < 80
        assert outcome.returned >= {item for item, _ in source.raw[:3]} or not source.grows_at_head
    full = run(source)
    assert full.certificate.capped
    assert full.returned >= {item for item, _ in source.raw[: source.ceiling]}


@pytest.mark.parametrize("name", BY_PLACE)
def test_without_asking_again_a_ceiling_is_taken_for_the_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset, "_denied", lambda listing, state: offset._end(listing, state, whole=True, saw_end=True))
    source = Source(LISTINGS[name], random.Random(1), length=120, ceiling=70)
    assert not run(source).certificate.capped


@pytest.mark.parametrize("name", BY_PLACE)
def test_an_empty_page_in_the_middle_of_a_list_is_not_its_end(name: str) -> None:
    for seed in range(40):
        rng = random.Random(f"{name}{seed}")
        outcome = run(Source(LISTINGS[name], rng, length=rng.randrange(150), emptied=0.15, deletes=0.1))
        assert not outcome.missed or outcome.certificate.proven_by is ProvenBy.NONE, seed


def test_without_overlap_an_empty_page_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = offset._certified
    monkeypatch.setattr(offset, "_certified", lambda listing, state, page: not page or sound(listing, state, page))
    missed = 0
    for seed in range(40):
        source = Source(NEWEST, random.Random(seed), length=150, emptied=0.15)
        missed += bool(run(source).missed)
    assert missed > 20


@pytest.mark.parametrize(
    ("served", "clamp"),
    [(3, None), (LIMIT, None), (4 * LIMIT, None), (4 * LIMIT + 3, None), (6, 5), (7, 5), (11, 5)],
)
@pytest.mark.parametrize("name", BY_PLACE)
def test_a_list_served_short_is_noticed_at_the_next_visit(name: str, served: int, clamp: int | None) -> None:
    """Its certificate rests on one read until a later visit has looked behind the end.

    A page that shows all but the last item of that end shows no end where the source cuts its pages there.
    """
    for seed in range(20):
        rng = random.Random(f"{name}{seed}")
        listing = msgspec.structs.replace(LISTINGS[name], served=clamp or LIMIT)
        source = Source(listing, rng, length=served + rng.randrange(1, 80), served=served, clamp=clamp)
        first = run(source)
        assert first.certificate.complete
        assert not first.certificate.confirmed
        source.served = None
        for _ in range(rng.randrange(6)):
            source.insert()
        second = run(source, first.certificate)
        assert source.visible() <= first.returned | second.returned, seed
        assert not second.certificate.confirmed
        third = run(source, second.certificate)
        assert third.certificate.confirmed


@pytest.mark.parametrize("served", [LIMIT, 4 * LIMIT])
def test_without_confirming_the_end_the_rest_stays_unread(served: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        offset, "_look_behind", lambda _listing, _state, certificate: offset.Step(done=certificate, certified=True)
    )
    source = Source(NEWEST_KEYED, random.Random(1), length=served + 50, served=served)
    first = run(source)
    source.served = None
    source.insert()
    second = run(source, first.certificate)
    assert source.visible() - first.returned - second.returned


@pytest.mark.parametrize("name", ["newest by key", "newest", "shared"])
def test_the_end_is_confirmed_by_one_request_under_churn(name: str) -> None:
    """Whatever entered at the head and left in between; a list that lost its last items is read again in full."""
    extra = 0
    for seed in range(40):
        rng = random.Random(f"{name}{seed}")
        listing = msgspec.structs.replace(LISTINGS[name], limit=40)
        source = Source(listing, rng, length=rng.randrange(100, 500), inserts=0.3, deletes=0.1)
        first = run(source)
        for _ in range(rng.randrange(8)):
            source.churn()
        source.inserts = source.deletes = 0.0
        plain = msgspec.structs.replace(first.certificate, confirmed=True)
        least = run(source, plain).requests
        second = run(source, first.certificate)
        assert source.visible() <= first.returned | second.returned
        extra += second.requests - least - 1
    assert extra <= 2


def test_an_audit_confirms_the_end_that_was_known() -> None:
    for name in BY_PLACE:
        source = Source(LISTINGS[name], random.Random(3), length=95)
        first = run(source)
        state = offset.begin(source.listing, first.certificate, full=True)
        while (result := offset.step(source.listing, state, source.read(state.offset))).done is None:
            pass
        assert result.done.confirmed, name


@pytest.mark.parametrize("served", [0, LIMIT])
def test_agreeing_reads_of_short_pages_read_the_whole_list(served: int) -> None:
    """Whether hidden items or the source shorten the pages, none is skipped by both reads."""
    for seed in range(60):
        rng = random.Random(seed)
        clamp = rng.choice([None, 4, 7])
        listing = msgspec.structs.replace(
            NEWEST_KEYED, stop_after_empty_pages=2, served=served if clamp is None else clamp
        )
        source = Source(listing, rng, length=120, clamp=clamp, hidden_share=0.0 if clamp else 0.4)
        source.raw[1:] = reversed(source.raw[1:])  # no proof by place
        source.versions = [list(source.raw)]
        outcome = run(source)
        assert outcome.certificate.proven_by is ProvenBy.AGREEMENT
        assert not outcome.missed, seed
