"""How many requests per second the sandbox answers on one core, and how fast it starts.

    python benchmarks/sandbox_speed.py --users 1000

The server is bound to one core and loaded from the others by wrk (Debian package `wrk`), with paths in the mix of
a full crawl: per user its object and lists, per project and studio likewise, comments, replies, errors.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

_LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = wrk.format("GET", line) end
local next = 0
request = function()
  next = next %% #paths + 1
  return paths[next]
end
"""


def get(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()


def mix(url: str, count: int) -> list[str]:
    """Paths as a crawl asks for them, in random order."""
    seeds = json.loads(get(f"{url}/sandbox/seeds"))
    chance = random.Random(1)
    names = {row["id"]: row["username"] for row in map(json.loads, get(f"{url}/sandbox/truth/users").splitlines())}
    projects = [json.loads(line) for line in get(f"{url}/sandbox/truth/projects").splitlines()]
    owners = {project["id"]: names[project["author_id"]] for project in projects}
    comments = [json.loads(line) for line in get(f"{url}/sandbox/truth/project_comments").splitlines()]
    answered = [comment for comment in comments if comment["reply_count"]]
    paths = []
    for _ in range(count // 20):
        user = chance.choice(seeds["users"])
        project, other = chance.choice(projects)["id"], chance.choice(comments)["project_id"]
        studio = chance.choice(seeds["studios"])
        thread = chance.choice(answered)
        paths += [
            f"/users/{user}",
            *(
                f"/users/{user}/{stream}?limit=40&offset=0"
                for stream in ("projects", "favorites", "followers", "following")
            ),
            f"/users/{user}/studios/curate?limit=40&offset=0",
            f"/projects/{project}",
            f"/projects/{other}",
            f"/projects/{project}/remixes?limit=40&offset=0",
            f"/users/{owners[project]}/projects/{project}/studios?limit=40&offset=0",
            f"/users/{owners[project]}/projects/{project}/comments?limit=40&offset=0",
            f"/users/{owners[other]}/projects/{other}/comments?limit=40&offset=0",
            f"/users/{owners[other]}/projects/{other}/comments?limit=40&offset=40",
            f"/users/{owners[thread['project_id']]}/projects/{thread['project_id']}/comments/{thread['id']}/replies?limit=40",
            f"/studios/{studio}",
            *(
                f"/studios/{studio}/{stream}?limit=40&offset=0"
                for stream in ("projects", "managers", "curators", "comments")
            ),
            f"/projects/{chance.randrange(10**9)}",
        ]
    chance.shuffle(paths)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "harvester.sandbox", "--users", str(options.users)]
    started = time.perf_counter()
    server = subprocess.Popen(["taskset", "-c", str(cores[0]), *command], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        print(f"start with {options.users:,} users: {time.perf_counter() - started:.2f} s")
        with tempfile.TemporaryDirectory() as folder:
            paths, script = Path(folder, "paths"), Path(folder, "mix.lua")
            paths.write_text("\n".join(mix(url, 20_000)) + "\n")
            script.write_text(_LUA % paths)
            load = [wrk, "-t", "1", "-c", str(options.connections), "-d", f"{options.seconds}s", "-s", str(script), url]
            others = ",".join(map(str, cores[1:] or cores))
            result = subprocess.run(["taskset", "-c", others, *load], capture_output=True, text=True, check=True)
        print(result.stdout)
    finally:
        server.terminate()
        server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
