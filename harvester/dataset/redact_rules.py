"""The rules of redaction: what children give away, and the words around it, in seven languages.

Patterns see folded text (`redact`): small letters, no accents, `¤` for any symbol. The last named group of a match is what
is taken out, or all of it. A group `proper` goes on over capitals behind it.
"""

# ruff: noqa: E501, ISC004, RUF001, SIM905  (patterns in columns; letters that look like others are what they are for)

from __future__ import annotations

import re
from typing import NamedTuple

SYMBOL = "¤"

# --- Numbers as children write them --------------------------------------------------------------------------------
_GAP = rf"[ ._\-*~'/{SYMBOL}]{{0,3}}"
_WORDS_OF_AGE = (
    # 5 to 19; a language's own words count in every language
    "five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
    "|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieciseis|diecisiete"
    "|sete|oito|nove|dez|onze|doze|treze|catorze|quatorze|quinze|dezesseis"
    "|funf|sechs|sieben|acht|neun|zehn|elf|zwolf|dreizehn|vierzehn|funfzehn|sechzehn"
    "|cinq|sept|huit|neuf|dix|douze|treize|seize"
    "|on (?:bir|iki|uc|dort|bes|alti)|bes|alti|yedi|sekiz|dokuz|on"
)
_ORDINAL_AGE = (
    "seventh|eighth|nine?th|tenth|eleventh|twel(?:f|v)?th|thirteenth|fourteenth|fifteenth|sixteenth|[5-9]th|1[0-9]th"
)
_DIGIT = r"[0-9oil]"
_AGE = (
    rf"(?P<age>(?:[1il]{_GAP}{_DIGIT}(?![0-9])|[5-9](?![0-9])|(?:{_WORDS_OF_AGE})(?![a-z]))(?:[.,]5| and a half| 1/2)?)"
)
_KANJI = "[一二三四五六七八九十]{1,3}"
_AGE_CJK = rf"(?P<age>[1il]{_GAP}{_DIGIT}(?![0-9])|[5-9](?![0-9])|{_KANJI})"
_NOT_WORD = r"(?<![a-z0-9])"
_COUNTED = (  # what is counted in a game, and so is no age
    r"(?! ?(?:%|/|x\b|:[0-9]|level|lvl|lives|life|point|pts|time|min|sec|hour|hr|day|week|month|follower|sub|view|love|fave|player"
    r"|project|sprite|block|try|tries|vidas|puntos|niveles|veces|horas|dias|fases|pontos|seguidor|punkt|leben|mal\b|stunden"
    r"|tag|fois|vies|heures|jours|puan|can\b|bolum|kez|saat|gun"
    r"|coin|moned|moeda|munze|piece|altin|degre|grad|key|gem|star|estrell|estrel|stern|etoile|step|paso|passo|schritt|pas\b|attack|ataque"
    r"|angriff|attaque|saldiri|frame|clone|costume|sound|screen|world|wave|boss|enem|bug|people|person|like|line|color|letter|word))"
)
_FILLERS = r"(?:(?:only|just|barely|almost|nearly|about|actually|currently|literally|still|like|a|an|already|also|even|now|turning) )*"
_ENDS = r"(?= ?(?:$|[.!?,;:)&\n]|lol|xd|haha|and |but |so |btw|rn|now|too|dont|don't|u ?\?))"
"""Pattern of the end of a clause, after which a number stands alone."""

# --- Dates ---------------------------------------------------------------------------------------------------------
_MONTH = (
    "(?:jan(?:uary|uar|vier|eiro)?|feb(?:ruary|ruar|rero)?|fev(?:rier|ereiro)?|mar(?:ch|zo|s|co|t)?|marz|apr(?:il)?|abr(?:il)?"
    "|avril|may(?:o|is)?|mai(?:o)?|enero|jun(?:e|i|io|ho)?|juin|jul(?:y|i|io|ho)?|juillet|aug(?:ust)?|ago(?:sto)?|aout|sep(?:t"
    "|tember|tiembre|tembre)?|set(?:embro)?|oct(?:ober|ubre|obre)?|okt(?:ober)?|out(?:ubro)?|nov(?:ember|iembre|embre|embro)?"
    "|dec(?:ember|embre)?|dez(?:ember|embro)?|dic(?:iembre)?|ocak|subat|nisan|haziran|temmuz|agustos|eylul|ekim|kasim|aralik)(?![a-z])"
)
_DAY = (
    r"(?:[0-3]?[0-9](?:st|nd|rd|th|er|\.|º|°)?|(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    "|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth"
    "|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|primero|primeiro|premier|ersten|uno|dos|tres|cuatro|dois|quatro"
    f"|deux|trois|quatre|zweiten|dritten|vierten|veinte|treinta|vinte|vingt|trente|yirmi|otuz"
    f"|{_WORDS_OF_AGE.removesuffix('|on')})"
)
_DATE = (
    rf"(?:(?:the )?{_DAY} (?:of |de |di )?{_MONTH}|{_MONTH} (?:the )?{_DAY}|[0-9]{{1,2}}[./-][0-9]{{1,2}}(?:[./-](?:19|20)?[0-9]{{2}})?"
    r"|[0-9]{1,2} ?月 ?[0-9]{1,2} ?日?)(?:,? ?(?:de |of )?(?:19|20)[0-9]{2})?(?![0-9])"
)
_BIRTH = (
    "(?:birth ?day|b[- ]?day|birth date|born|turn(?:s|ed|ing)?(?= (?:older|[0-9]|a year|on))|(?<=i )turn|celebrat|cake day"
    "|cumpl(?:e|eanos|o|i|imos|ire|ir|es|ia)(?: ?anos)?|(?:faco|faz|fiz|fazer|completo|completei) (?:[a-z0-9]+ )?anos|naci(?:[oó]|da|do)?|fecha de nacimiento|aniversario|niver|nasci"
    "|geburtstag|geb(?:oren|\\.)|werd(?:e|en)? (?:ich )?(?:[0-9]+|alter)|anniv(?:ersaire)?|je fete|fete mes|ne+s? (?:le|en)|naissance|dogum|dogdum|dogmus|yasima|hbd|special day"
    "|(?:my|mi|meu|mein|mon) (?:day|dia|tag|jour)|parabens|feliz|jahrgang|benim gunum|誕生日|たんじょうび|生まれ|うまれ|大きくなる|おめでとう|バースデー|歳になる|才になる)"
)

# --- Words that introduce, and words that are no name ----------------------------------------------------------------
_IS = r"(?: ?(?:'s|s|is|is the|=|:|-|->|→|it's|its|es|e|ist|c'est|est|le|la|est le|は|を|の)? ?)"
_NO_NAME = (
    r"(?!(?:a|an|the|so|not|new|just|from|in|at|on|to|my|me|your|you|it|its|this|that|here|there|going|making|working|trying|very"
    r"|really|also|back|now|good|bad|ok|okay|sorry|happy|sad|bored|done|gonna|only|still|always|never|sure|glad|stuck|and|or|but"
    r"|if|when|what|who|is|are|was|im|i|we|he|she|they|later|maybe|please|pls|plz|be|getting|having|doing|playing|using|looking"
    r"|confused|excited|tired|called|number|named|like|with|for|of|no|yes|one|up|out|first|next|back|sprite|variable|broken|tag|changed"
    r"|el|un|una|de|del|muy|nuevo|nueva|yo|tu|mi|que|bueno|buena|o|os|as|um|uma|da|do|dos|novo|nova|bom|boa|muito|eu"
    r"|der|die|das|ein|eine|neu|nicht|auch|sehr|gut|schon|bei|hier|gerade|fast|fertig|erst|so|am|im|auf|aus|fan"
    r"|le|les|une|nouveau|nouvelle|bon|bonne|pas|tres|trop|en|au|moi|je|ne|nee|ben|al|bir|cok|de|da|yeni|bu)(?![a-z]))"
)
_NAME_SURE = (
    # Behind `my name is` nearly every word is one.
    r"(?!(?:not|a|an|the|is|was|my|so|in|on|too|just|like|irl|also|tag|sprite|variable|for|of|broken|changed|here|thing|block|nicht|ein|eine|der|die|das|auch|no|el|la|un|una|que|es|pas|le"
    r"|une|bu|cok|o|os|da|do|e|de)(?![a-z]))(?P<proper_name>[a-z][a-z'-]{1,19})(?![a-z0-9_])"
)
_NAME = rf"{_NO_NAME}(?P<proper_name>[a-z][a-z'-]{{1,19}})(?![a-z0-9_])"
_NAME_CJK = "(?P<name>[ぁ-んァ-ヶー一-龯a-z]{1,8}?)"

# --- Places ----------------------------------------------------------------------------------------------------------
_NO_PLACE = (
    r"(?!(?:the|a|an|my|your|our|his|her|their|this|that|it|here|there|scratch|level|space|middle|corner|front|game|home|school"
    r"|where|which|what|youtube|roblox|minecraft|discord|scratch|which|you|u|me|la|el|un|una|mi|tu|su|este|esta|aqui|o|os|as|um"
    r"|uma|meu|minha|der|die|das|dem|den|einem|einer|meinem|le|les|une|mon|ma|ici|scratch|team|bed|love|peace|fear)(?![a-z]))"
)
_PLACE = (
    rf"{_NO_PLACE}(?P<proper>[a-z][a-z'.-]{{2,24}}(?: (?:city|town|beach|hills|springs|falls|county|state|island))?)"
)
_STREET_WORD = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|way|close|blvd|boulevard|crescent|terrace|square|sokak|sokagi"
    "|caddesi|cad|mahallesi|bulvari"
)

# --- Services --------------------------------------------------------------------------------------------------------
_LEET = {"a": "a4@", "e": "e3", "i": "i1!l", "o": "o0", "s": "s5$", "t": "t7", "l": "l1", "b": "b8", "g": "g9"}


def _spaced(name: str) -> str:
    """Return a pattern for a word with look-alike letters and characters between them."""
    letters = [f"[{re.escape(_LEET[one])}]" if one in _LEET else re.escape(one) for one in name]
    return rf"[ ._*\-{SYMBOL}]?".join(letters)


_SERVICE_NAMES = (
    "discord instagram snapchat tiktok roblox youtube whatsapp facebook telegram twitch twitter minecraft fortnite skype"
    " messenger pinterest wattpad steam xbox playstation gmail hangouts signal viber line"
).split()
_SHORT_SERVICES = "insta|ig|snap|sc|dc|disc|yt|tt|wpp|zap|zapzap|wp|fb|kik|psn|rblx|twt|ticktock|インスタ|ディスコード|ライン|ユーチューブ"
_SERVICE = rf"(?<![a-z])(?:{'|'.join(map(_spaced, _SERVICE_NAMES))}|ins ta|{_SHORT_SERVICES})(?![a-z])"
_HANDLE = (
    # Atomic: what follows is tried behind the whole run alone, not behind each of its parts.
    r"(?P<handle>(?>[@#]?(?=[a-z0-9_.#-]*[a-z])(?=[a-z0-9_.#-]*[0-9_.#-])[a-z0-9_](?:[a-z0-9_.#-]*[a-z0-9_])))"
)
_ANY_HANDLE = (
    r"(?!(?:is|its|ist|est|esta|dan|den|tan|ten|adresim|hesabim|kanalim|adim|adi|kullanici|name|user|username|account|channel|mine|my"
    r"|style|instead|gel|var|game|video|videos|link|server|group|and|or|but|the|too|please|pls|para|por|que|und|oder|pour|avec|icin|ama)(?![a-z0-9_]))"
    r"(?P<handle>@?[a-z0-9_][a-z0-9_.#-]{2,31})"
)
_CALLED = (
    r"(?: (?:name|user ?name|user|id|tag|handle|account|acc|channel|canal|conta|konto|compte|pseudo|profile|perfil|nick|usuario"
    r"|nombre|kullanici adi?m?|adim|adresim|hesabim|kanalim|のid|id))?"
)

# --- Schools ---------------------------------------------------------------------------------------------------------
_SCHOOL_WORD = r"(?:elementary|primary|middle|high|secondary|junior high|senior high|grammar|preparatory|prep)(?: school)?|academy|college"
_NO_SCHOOL = r"(?!(?:the|my|a|an|our|your|this|that|same|his|her|their|to|at|in|i|for|of|is)(?![a-z]))"
_ORDINAL = (
    "[1-9][0-2]? ?(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    "|primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa]|sext[oa]|septim[oa]|octav[oa]"
    "|[1-9] ?(?:[oº°a]|ro|do|to|mo|vo|er|eme|e)|terceir[oa]|quart[oa]|setim[oa]|oitav[oa]|non[oa]"
    "|sixieme|cinquieme|quatrieme|troisieme|seconde"
    r"|[1-9][0-3]?\.|ersten|zweiten|dritten|vierten|funften|sechsten|siebten|achten|neunten|zehnten"
    "|birinci|ikinci|ucuncu|dorduncu|besinci|altinci|yedinci|sekizinci"
)

_SOURCES: list[tuple[str, str]] = [
    # Links, mail, mentions
    ("link", r"(?:https?|hxxps?|ftp)[: ]{1,2}/{1,2}[^\s　-鿿]++"),
    ("link", r"(?<![a-z0-9])www[. ]+[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:/[^\s　-鿿]*+)?"),
    (
        "link",
        r"(?<![a-z0-9@.-])(?:[a-z0-9-]{2,}\.)+(?:com|net|org|io|gg|me|co|edu|gov|tv|be|ly|app|dev|xyz|info|site|online|game|games"
        r"|de|fr|es|uk|br|pt|jp|tr|ru|eu|us|ca|au|nl|it|pl|to|gl|cc|ws|link|page|club|fun)(?![a-z0-9])(?:[/?:][^\s　-鿿]*+)?",
    ),
    (
        "link",
        r"(?<![a-z0-9-])[a-z0-9-]{2,} ?[(\[]?(?: |\()(?:dot|punto|ponto|punkt|point|nokta)(?: |\)|\]) ?(?:com|net|org|io|gg|co|de|fr|es)(?![a-z])",
    ),
    ("link", r"(?<![a-z0-9])/?(?:users|projects|studios)/[a-z0-9_-]+/?"),
    (
        "email",
        r"(?<![a-z0-9_.+-])[a-z0-9_.+-]+ ?(?:@|[(\[] ?at ?[)\]]| at | arroba ) ?[a-z0-9-]+(?: ?[.,] ?| ?[(\[] ?dot ?[)\]] ?| dot | punto | ponto )"
        r"(?:[a-z0-9-]+[.,])?(?:com|net|org|edu|gov|de|fr|es|uk|br|pt|jp|tr|co|me|us|ca|au|info|mx|ar|cl)(?![a-z])",
    ),
    ("mention", r"@ ?[a-z0-9_-]{2,30}"),
    # Phones: seven digits or more with little between them, or as many words for digits
    (
        "phone",
        rf"(?<![0-9])(?![0-9]{{1,3}}(?:[,. ][0-9]{{3}})+(?![0-9]|[-. {SYMBOL}][0-9]))\+?\(?(?:[0-9][ ()._\-*~/{SYMBOL}]{{0,3}}){{6,14}}[0-9](?![0-9])",
    ),
    (
        "phone",
        r"(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|um|dois"
        r"|quatro|sete|oito|nove|meia|null|eins|zwei|zwo|drei|vier|funf|sechs|sieben|acht|neun|un|deux|trois|quatre|cinq|six|sept"
        r"|huit|neuf|sifir|bir|iki|uc|dort|bes|alti|yedi|sekiz|dokuz|ゼロ|いち|に|さん|よん|ご|ろく|なな|はち|きゅう)"
        r"[ ,.\-]*){7,}(?<![ ,.\-])",
    ),
    # Ages
    ("age", rf"{_NOT_WORD}i ?'?(?: a)?m {_FILLERS}(?:turning )?{_AGE}{_COUNTED}"),
    ("age", rf"(?:^|[\s,.!?])am {_FILLERS}{_AGE}{_COUNTED}"),
    ("age", rf"{_NOT_WORD}(?P<age>(?:{_WORDS_OF_AGE}) ?(?=y/?o(?![a-z])))"),
    (
        "age",
        rf"{_NOT_WORD}(?:being|says?|said|think|thought|thinks|older than|younger than|over|under|above|below) (?:that )?{_AGE}{_COUNTED}",
    ),
    (
        "age",
        rf"(?:when|since|until|till|til|before|after|wish|if) (?:i|u|you|he|she|we|they) (?:was|were|am|are|is|turned|turn|hit) {_FILLERS}{_AGE}{_COUNTED}",
    ),
    (
        "age",
        rf"{_NOT_WORD}{_AGE} (?:is|are|was)(?: way| kinda| a bit| pretty| still)? (?:too|so|really|very|pretty|kinda|still)? ?(?:young|old|little|small|hard|fun|scary|the best|the worst)",
    ),
    (
        "age",
        rf"(?:bro|brother|sis|sister|friend|bff|bestie|cousin|son|daughter|kid|girl|boy|nephew|niece|hermano|hermana|hermanito|primo|prima"
        rf"|amigo|amiga|irmao|irma|bruder|schwester|cousine|freund|freundin|frere|soeur|cousin|copain|copine|ami|amie|kardesim|abim|ablam"
        rf"|kuzenim|arkadasim)[ ,(]{{1,3}}(?:(?:is|ist|es|e|est|wird|de|of|a|who's|whos|who is|hes|shes|tiene|tem|hat|il a|elle a) )*{_AGE}{_COUNTED}",
    ),
    (
        "age",
        rf"(?:^|[\s,])(?:yo|eu|ich|moi|ben) (?:tambien|tb|tbn|tbm|tambem|auch|aussi|de|da|solo|so|erst|que) {_AGE}{_COUNTED}(?![a-z0-9])",
    ),
    ("age", rf"{_NOT_WORD}(?:asl|a/s/l)[^a-z0-9]{{0,4}}{_AGE}"),
    ("age", rf"(?:^|[.!?,\n] ?|so |ok |hey |hi |wow |um )(?:also |just )?{_AGE} here(?![a-z])"),
    ("age", rf"(?:in|join|to|of) (?:the )?{_AGE}(?:s|'s)? (?:club|gang|squad|crew|team|group)(?![a-z])"),
    ("age", rf"{_NOT_WORD}(?P<age>{_ORDINAL_AGE})[ -](?:birth ?day|b[- ]?day)"),
    ("age", rf"{_NOT_WORD}(?:at|by|from|since|of|for) (?:the )?(?:age|ages) (?:of )?{_AGE}"),
    (
        "age",
        rf"{_NOT_WORD}{_AGE},? (?:in|on|this|next|come) (?:{_MONTH}|summer|spring|fall|autumn|winter|month|week|year)",
    ),
    (
        "age",
        rf"{_NOT_WORD}(?:look|sound|act|seem|looks|sounds|acts)(?: to be| like| like ur| like you're| like a| like an)? {_AGE}{_COUNTED}",
    ),
    ("age", rf"{_NOT_WORD}(?:only|barely|literally|me too|same)[, ]+(?:im |i'm )?{_AGE}{_ENDS}"),
    (
        "age",
        rf"{_NOT_WORD}(?:mit|con|com|avec|a|a los|aos|mis|meus|mes|tener|ter|avoir) {_AGE}(?= ?(?:schon|noch so|anos|anitos|aninhos|ans|jahr))",
    ),
    ("age", rf"{_NOT_WORD}(?:we|they|you|u)(?:'re| are|r) (?:both |all |only |just )*{_AGE}{_COUNTED}"),
    ("age", rf"{_NOT_WORD}(?:he|she|bro|brother|sis|sister|friend|cousin)(?:'s| is) {_FILLERS}{_AGE}{_COUNTED}"),
    ("age", rf"{_NOT_WORD}(?:turn|turns|turned|turning|became) {_AGE}{_COUNTED}"),
    (
        "age",
        rf"(?:i ?'?l{{1,2}}|i will|i wanna|imma|ima|gonna|going to|about to|until im|till im) (?:be |b |turn )?(?:like |finally )?{_AGE}{_COUNTED}",
    ),
    ("age", rf"(?:when|since|as) (?:i|he|she|we) (?:was|were|am) {_FILLERS}{_AGE}{_COUNTED}"),
    ("age", rf"{_NOT_WORD}{_AGE} ?-?(?:years?|yrs?|yr)(?:[ -]?old|s|[ -]?olds)?(?![a-z])"),
    ("age", rf"{_NOT_WORD}{_AGE} ?(?:y/?o|yo|yrs)(?![a-z])"),
    (
        "age",
        rf"{_NOT_WORD}(?:age|aged|edad|idade|alter|yas|yasim|age actuel|年齢|歳)(?: ?(?:is|was|of|:|=|es|e|ist|est|c'est|は|の) ?| ){_AGE}{_COUNTED}",
    ),
    ("age", rf"(?:年齢|歳|とし|ねんれい)(?:は|:| )? ?{_AGE_CJK}"),
    ("age", rf"{_AGE_CJK} ?(?:歳|才|さい)"),
    (
        "age",
        rf"(?:小学生|中学生|幼稚園|同い年|同じ年|年長)[だでの、。です ]{{0,4}}{_AGE_CJK}(?![0-9]|年|月|回|個|人|点|時|分|面)",
    ),
    (
        "age",
        rf"{_NOT_WORD}(?:tengo|tenho|tinha|tenia|j ?'?ai|j ?'?avais|j ?'?aurai|avoir|ai)(?: (?:solo|ya|apenas|que|so|ja|deja|bientot|seulement))* {_AGE}{_COUNTED}",
    ),
    ("age", rf"{_NOT_WORD}{_AGE} (?:anos|anios|anitos|aninhos|ans|jahre|jahren|yas[a-z]*)(?![a-z])"),
    (
        "age",
        rf"{_NOT_WORD}(?:cumpl[a-z]+|(?:vou )?fa(?:zer|co)|completar|completei|vou ter|fiz)(?: (?:los|ya))? {_AGE}{_COUNTED}",
    ),
    (
        "age",
        rf"{_NOT_WORD}(?:(?:ich )?bin|(?:ich )?werd(?:e)?|(?:wir )?sind|wurde|war)(?: (?:erst|schon|jetzt|gerade|fast|morgen|bald|auch|beide|heute|nur|noch))* {_AGE}{_COUNTED}(?! ?(?:uhr|von))",
    ),
    ("age", rf"{_NOT_WORD}{_AGE} (?:geworden|oldum|olacagim|bastim|basiyorum)"),
    (
        "age",
        rf"{_NOT_WORD}{_AGE},? (?:and (?:you|u)|u ?\?|y tu|e (?:vc|voce|tu)|und du|et toi|ve sen|ya sen|sen)(?![a-z])",
    ),
    ("age", rf"(?:^|[\s,])(?:me(?! on )|yo|ps yo|eu|ich|moi|ben|bende) (?![li][oil] ){_AGE}{_COUNTED}(?![a-z0-9])"),
    (
        "age",
        rf"(?:guess|my age|how old|edad|idade|alter|yas)[^\n]{{0,16}}? (?:its|it's|is|es|ist|c'est) {_AGE}{_COUNTED}",
    ),
    ("age", rf"(?:bad|good|great|smart|young|old|talented) for (?:a |an |being |someone )?{_AGE}{_COUNTED}"),
    ("age", rf"(?:werde?|bin) ich (?:schon |erst |jetzt )*{_AGE}{_COUNTED}"),
    ("age", rf"(?:^|[^0-9一-龯]){_AGE_CJK}(?:です|になっ|になり|になる|だよ)"),
    # Birthdays
    ("birthday", rf"{_BIRTH}[^.!?\n]{{0,24}}?{_NOT_WORD}(?P<date>{_DATE})"),
    ("birthday", rf"{_NOT_WORD}(?P<date>{_DATE})[^.!?\n]{{0,30}}?{_BIRTH}"),
    ("birthday", rf"{_BIRTH}[^.!?\n]{{0,24}}?{_NOT_WORD}(?P<date>(?:19|20)[0-9]{{2}})(?![0-9])"),
    ("birthday", rf"{_BIRTH}[^.!?\n]{{0,16}}?{_NOT_WORD}(?P<date>{_MONTH})"),
    ("birthday", rf"{_NOT_WORD}(?P<date>(?:19|20)[0-9]{{2}})(?![0-9])[^.!?\n]{{0,12}}?{_BIRTH}"),
    (
        "birthday",
        r"(?<![a-z])(?:soy|sou|suis|bin|class|im|i'm) (?:(?:del?|do|of|ano|da|von|from|a) )?(?P<date>20[01][0-9])(?![0-9])",
    ),
    ("birthday", r"(?<![0-9])(?P<date>20[01][0-9])'?s? (?:baby|babies|kid|kids|born|liner|jahrgang|model)(?![a-z])"),
    ("birthday", r"(?:came|come|arrived|entered)[^.!?\n]{0,16} world[^.!?\n]{0,8}(?P<date>20[01][0-9])(?![0-9])"),
    ("birthday", rf"(?<![a-z])(?:b|dob|d\.o\.b)[.:]? ?(?P<date>{_DATE})"),
    ("birthday", rf"{_BIRTH}[^.?\n]{{0,24}}?{_NOT_WORD}(?P<date>{_DATE})"),
    ("birthday", rf"(?:party|cake|presents?|fiesta|festa|feier|fete)[^.?\n]{{0,20}}?{_NOT_WORD}(?P<date>{_DATE})"),
    ("birthday", r"(?<![0-9./-])[0-3]?[0-9][./-][0-3]?[0-9][./-](?:19|20)?[0-9]{2}(?![0-9./-])"),
    # School and class
    ("school", rf"(?<![a-z'.-])(?P<school>(?:{_NO_SCHOOL}[a-z][a-z'.-]* ){{1,4}}(?:{_SCHOOL_WORD}))(?![a-z])"),
    (
        "school",
        rf"(?:go to|goes to|attend|at|from|school is|school:) (?P<school>(?:{_NO_SCHOOL}[a-z][a-z'.-]* ){{1,3}}school)(?![a-z])",
    ),
    (
        "school",
        r"(?<![a-z])(?P<proper>(?:colegio|escuela|instituto|liceo|escola|colegio|ecole|college|lycee|grundschule|realschule"
        r"|hauptschule|gesamtschule|gymnasium|mittelschule)(?: (?:de|la|las|los|del|el|san|santa|santo|do|da|dos|des|du|les|am|im|an"
        r"|der)){0,3} (?!(?:is|es|ist|est|e|c'est|del|de|level|nivel|niveau|fase)(?![a-z]))[a-z0-9][a-z0-9'.-]+)",
    ),
    (
        "school",
        r"(?<![a-z])(?P<school>[a-z]+-?(?:gymnasium|grundschule|realschule|oberschule|gesamtschule)|[a-z]{4,}schule)(?![a-z])",
    ),
    ("school", r"(?<![a-z])(?P<school>(?:[a-z]+ ){1,2}(?:ilk ?okulu?|orta ?okulu?|lisesi))"),
    (
        "school",
        rf"{_NOT_WORD}(?P<grade>{_ORDINAL})[ -]?(?:grade|graders?|form|year|klasse|klas|sinif[a-z]*|grado|ano|primaria|secundaria|serie|annee)(?![a-z])",
    ),
    ("school", rf"(?:grade|year|class|klasse|sinif|grado|serie) (?P<grade>1?[0-9]|{_ORDINAL})(?![a-z0-9])"),
    ("school", rf"{_NOT_WORD}(?P<grade>[1-9][0-2]?) (?:sinif[a-z]*)"),
    (
        "school",
        rf"(?:maestr[oa]|profe|profesora?|professora?|alumn[oa]|alun[oa]|estudiante) de[l]? (?P<grade>{_ORDINAL})(?![a-z0-9])",
    ),
    (
        "school",
        rf"{_NOT_WORD}(?:finish(?:ed|ing)?|start(?:ed|ing)?|entering|going (?:in)?to|i'?m in|am in|in|into|passed|failed|repeating"
        rf"|graduated|done with) (?P<grade>(?:[1-9]|1[0-2]) ?(?:st|nd|rd|th)|sixth|seventh|eighth|ninth|tenth|fifth|fourth){_ENDS}",
    ),
    (
        "school",
        rf"{_NOT_WORD}(?:paso|pase|pasar|entro|entre|entrar|subo|voy|estoy|curso|termine|acabe|repito|passei|entrei|vou|estou|curso)"
        rf" (?:(?:a|en|al|pro|para o|no|o) )?(?P<grade>{_ORDINAL})(?![a-z0-9])(?! (?:nivel|lugar|parte|fase))",
    ),
    (
        "school",
        rf"{_NOT_WORD}(?:en|de|des|du|les) (?P<grade>c[mpe][12]?|[3-6] ?(?:e|eme)|sixieme|cinquieme|quatrieme|troisieme|terminale)(?![a-z0-9])",
    ),
    (
        "school",
        rf"(?:estoy en|voy en|estou no|to no|vou pro|suis en|passe en|rentre en|entre en) (?P<grade>{_ORDINAL}|c[mpe][12]?|terminale)(?![a-z])",
    ),
    ("school", r"(?P<school>[ぁ-んァ-ヶー一-龯0-9]{1,8}?(?:小学校|中学校|高校|高等学校))"),
    ("school", r"(?P<grade>[1-6一二三四五六] ?年生|[小中高][1-6一二三四五六])"),
    # First names
    (
        "name",
        rf"{_NOT_WORD}(?:(?:my|irl|real|full|first) )+name(?:'?s| is|:| =| irl is| irl)? ?(?:is )?(?:(?:actually|really|just|like) )?{_NAME_SURE}",
    ),
    (
        "name",
        rf"{_NOT_WORD}(?:hey+|hi+|hello|sup|yo|hola|ola|oi+|hallo|salut|coucou|selam|merhaba)[,! ]+{_NAME} (?:here|por aqui|aqui|hier|ici|ben|burada)(?![a-z])",
    ),
    (
        "name",
        rf"{_NOT_WORD}{_NAME} (?:is|es|e|ist|est) (?:my|mi|meu|mein|mon) (?:real|first|irl|actual|true|verdadero|vrai|echter) ?(?:name|nombre|nome|nom|prenom)?",
    ),
    ("name", rf"{_NOT_WORD}(?:its|it's|this is) {_NAME} (?:btw|from|again|here)(?![a-z])"),
    (
        "name",
        rf"{_NOT_WORD}(?:yours truly|your friend|your pal|from your friend|con carino|com carinho|liebe grusse|viele grusse|bisous|sevgiler)[,: ]+{_NAME}",
    ),
    (
        "name",
        rf"{_NOT_WORD}(?:m'?appell?ent|m'?appell?e|se llama|se chama|heisst|nennen mich|sagen|dicen|chamam de|diyor|derler) {_NAME}",
    ),
    ("name", rf"{_NOT_WORD}(?:vrai )?prenom ?[:=] ?{_NAME}"),
    (
        "name",
        r"(?:どうも|はじめまして|初めまして|こんにちは|こんばんは|やあ|よろしく)[、。 !！]*(?P<name>[ぁ-んァ-ヶー一-龯]{2,8}?)(?:です|だよ|と申)",
    ),
    (
        "name",
        r"(?:^|[、。 !！])(?P<name>[ぁ-んァ-ヶー一-龯]{2,8}?)(?:です|だよ)[、。 !！]*(?:よろしく|初めまして|はじめまして)",
    ),
    (
        "name",
        r"(?:みんな|友達|家族|ママ|パパ|先生)(?:に|から|は)(?P<name>[ぁ-んァ-ヶー一-龯]{2,8}?)(?:と呼|って呼|っていわ|と言わ)",
    ),
    ("name", rf"{_NOT_WORD}(?:irl|real|first) name ?[:=]? ?{_NAME}"),
    ("name", rf"{_NOT_WORD}(?:the )?name(?:'s| is) {_NAME}"),
    ("name", rf"{_NOT_WORD}(?:im called|i'm called|i am called|call me|calls me|called me|known as) {_NAME}"),
    (
        "name",
        rf"{_NOT_WORD}(?:hi+|hey+|hello|hola|oi|ola|hallo|salut|coucou|bonjour|selam|merhaba)[,! ]+(?:i'?m|i am|im|its|it's|this is|soy|yo soy|(?:eu )?sou(?: [ao])?|ich bin|(?:moi )?c'est|je suis|ben) {_NAME}",
    ),
    (
        "name",
        rf"{_NOT_WORD}(?:me llamo|me llaman|me dicen|llamame|llamarme|(?:mi|mi verdadero|mi primer) nombre(?: [a-z]+)?(?: es|:)|(?:meu|o meu) nome(?: de verdade| real)?(?: e|:)|me chamo|me chamar de|me chama de|me chame de) {_NAME}",
    ),
    (
        "name",
        rf"{_NOT_WORD}(?:(?:ich )?heis?se|mein (?:[a-z]+ )?(?:vor)?name(?: ist|:)|nennt? mich|nennen mich) {_NAME_SURE}",
    ),
    (
        "name",
        rf"{_NOT_WORD}(?:je ?m'? ?appell?e|j ?'?m'?appell?e|mon (?:[a-z]+ )?(?:prenom|nom)(?: est| c'est|:)|appell?ez?[- ]moi|moi c'est) {_NAME}",
    ),
    ("name", rf"{_NOT_WORD}(?:(?:benim )?(?:[a-z]+ )?(?:adim|ismim)|bana) {_NAME}"),
    (
        "name",
        rf"(?:名前|なまえ|本名|ニックネーム)(?:は|:|が| ) ?{_NAME_CJK}(?=です|だよ|だ[。!！]|といい|って|$|[\s。、!！:{SYMBOL}])",
    ),
    (
        "name",
        r"(?:^|[はがの、。\s!])(?P<name>[ぁ-んァ-ヶー一-龯a-z]{2,8}?)(?:って呼|と呼ん|っていう|っていい|といいます|と言います|ともうし|と申し)",
    ),
    (
        "name",
        rf"(?:(?<![a-z])(?:love|sincerely|yours|signed|greetings|firma|assinado|atentamente|signe|bisous|imza|sevgiler|lg|vg|mfg|~)"
        rf"|~)[,: ]+{_NAME}",
    ),
    ("name", rf"{_NOT_WORD}(?:aqui e|sou) [ao] {_NAME}"),
    ("name", rf"{_NOT_WORD}(?:ich bins|hier ist|hier spricht|ici c'est|its me|it's me|aqui esta) {_NAME}"),
    (
        "name",
        rf"{_NOT_WORD}(?:friends|mom|mum|dad|family|everyone|everybody) (?:just )?(?:call|calls|know) me (?:as )?{_NAME}",
    ),
    ("name", rf"{_NOT_WORD}arkadaslarim (?:bana )?{_NAME} der"),
    ("name", rf"{_NOT_WORD}ben {_NAME} (?:[a-z0-9]+ )?sinif"),
    ("name", r"(?P<name>[ぁ-んァ-ヶー]{2,8}?)[、, がは]{1,2}(?:本当の名前|本名|リアルの名前)"),
    ("name", r"(?:^|\s|は|を|が)(?P<name>[ぁ-んァ-ヶー一-龯]{2,6}?)(?:と呼|って呼|だよー|より(?=$|[\s。!！:]))"),
    # Places
    (
        "place",
        rf"{_NOT_WORD}(?:live|lives|living|here|stay|staying|based|grew up|born|moved|moving)(?: (?:here|back))? (?:in|at|near|to|around|by|outside) {_PLACE}",
    ),
    (
        "place",
        rf"{_NOT_WORD}(?:im|i'm|i am|am|are|is|come|came|comes|anyone|anybody|someone|else|people|greetings|hello|hi|hey|we're|were|you|u|also) from {_PLACE}",
    ),
    (
        "place",
        rf"{_NOT_WORD}(?:vivo|vivimos|vive|viven|resido|naci|aca|aqui|los|me mude|mudamos|nos mudamos) (?:en|a) {_PLACE}",
    ),
    (
        "place",
        rf"{_NOT_WORD}(?:soy|somos|eres|saludos|vengo|alguien|gente)(?: (?:mas|tambien))? (?:de|desde|del) {_PLACE}",
    ),
    (
        "place",
        rf"{_NOT_WORD}(?:moro|moramos|mora|vivo|nasci|aqui|galera|mudei|mudamos) (?:em|no|na|pra|para|perto de|aqui em) {_PLACE}",
    ),
    ("place", rf"{_NOT_WORD}(?:sou|somos|alguem|oi|ola|saudacoes|abracos) (?:aqui )?(?:de|do|da) {_PLACE}"),
    (
        "place",
        rf"{_NOT_WORD}(?:wohnen?|lebe|leben|komme|kommen|bin|gruse|gruss|jemand|noch wer)(?: [a-z]+)? (?:in|aus|bei|nahe|an) {_PLACE}",
    ),
    ("place", rf"{_NOT_WORD}(?:nach) {_PLACE} (?:gezogen|umgezogen)"),
    ("place", rf"{_NOT_WORD}(?:who'?s|whos|anyone|anybody|people|kids|snow|raining|hot|cold) (?:here )?in {_PLACE}"),
    (
        "place",
        rf"{_NOT_WORD}(?:raised|snowing|raining|sunny|stuck|school|summer|winter|weekend|family|house|grandma|nana|dad|mom) in {_PLACE}",
    ),
    ("place", rf"{_NOT_WORD}(?:visiting|moved here|hi all|mail|us) from {_PLACE}"),
    (
        "place",
        rf"{_NOT_WORD}(?:viaje|viajar|voy|vamos|viajo|vou|part|pars|partons|suis nee?|nee?|ici|fahren|fahre|reise) (?:a|pra|para|en|nach|em) {_PLACE}",
    ),
    ("place", rf"{_NOT_WORD}(?:home|back|trip|drive|driving|flying|fly) to {_PLACE}"),
    (
        "place",
        rf"{_NOT_WORD}(?:j ?'?habite|habite|on habite|j'vis|je vis|demenage)(?: (?:a|en|au|aux|pres de|vers|dans))? {_PLACE}",
    ),
    ("place", rf"{_NOT_WORD}(?:suis|viens|vient|venez|gens|bonjour|salut|coucou|quelqu'un) (?:de|d'|du) ?{_PLACE}"),
    (
        "place",
        r"(?P<place>[a-z]{3,20})'?(?: ?[dt][ae](?:n|yim)?)? (?:yasiyor|oturuyor|oturan|yasayan|selam|geliyorum)[a-z]*",
    ),
    ("place", r"(?:^|[ ])ben (?P<place>[a-z]{3,20}?)(?:li|lu)(?:yim|yum)"),
    (
        "place",
        r"(?P<place>[一-龯ぁ-んァ-ヶー]{2,8}?)(?:に(?:すんで|住ん|引っ越)|から来|在住|出身|住み|生まれ|民です|市は|県は)",
    ),
    (
        "place",
        r"(?:address|adresse|direccion|endereco|adresim|evim|住所|家)(?: (?:is|es|e|ist|est|c'est))?(?:は|:)? ?(?P<place>[^.!?\n]{3,50}?)(?=です|だよ|[!?\n]| lol| xd|$)",
    ),
    ("place", rf"{_NOT_WORD}(?P<place>[0-9]{{1,5}} (?:[a-z']+ ){{1,3}}(?:{_STREET_WORD}))(?![a-z])"),
    (
        "place",
        r"(?<![a-z])(?P<place>(?:calle|avenida|av\.|avda|rua|travessa|praca|plaza|paseo)(?: (?:de|la|el|los|las|do|da|das|dos|del))* [a-z']+(?: (?:de |del |da |do )?[a-z']+){0,2},? ?(?:n[o.º°]? ?)?[0-9]{1,5})",
    ),
    (
        "place",
        r"(?<![a-z])(?P<place>(?:[a-z]+(?:stras?se|str\.?|weg|gasse|platz|allee)) [0-9]{1,4} ?[a-d]?)(?![a-z0-9])",
    ),
    (
        "place",
        r"(?P<proper>[0-9]{1,4},? (?:rue|avenue|boulevard|bd|allee|chemin|impasse|place|route)(?: (?:de|des|du|la|le|les|l'))* ?[a-z']+)",
    ),
    (
        "place",
        r"(?<![a-z])(?P<place>[a-z]+ (?:sokak|sokagi|sk\.?|caddesi|cad\.?|mahallesi|mah\.?|bulvari)(?![a-z])(?:,? (?:no:? ?)?[0-9]{1,4})?)",
    ),
    (
        "place",
        r"(?P<place>[一-龯ぁ-んァ-ヶー]{1,8}(?:[0-9]+-[0-9]+(?:-[0-9]+)?|[0-9]+丁目(?:[0-9]+番地?)?(?:[0-9]+号)?))",
    ),
    # Handles of other services
    ("handle", rf"{_SERVICE}[^\n]{{0,30}}?(?<![a-z0-9_.#]){_HANDLE}"),
    ("handle", rf"(?<![a-z0-9_.#]){_HANDLE}[^\n]{{0,24}}?{_SERVICE}"),
    (
        "handle",
        rf"{_SERVICE}{_CALLED}(?: ?(?:is|its|it's|:|=|→|->|-|es|e|ist|est|c'est|は|の|で|como) ?| ){_ANY_HANDLE}(?![a-z0-9])",
    ),
    (
        "handle",
        rf"(?<![a-z0-9_.#]){_HANDLE} (?:on|en|no|na|auf|bei|sur|da|de|in) (?:my |mi |meu |mein |mon )?{_SERVICE}",
    ),
    (
        "handle",
        rf"(?:im|i'm|i am|search|find|add|cherche|busca|procura|suche|ajoute) {_NO_NAME}{_ANY_HANDLE} (?:on|en|no|na|auf|sur) {_SERVICE}",
    ),
    ("handle", rf"{_SERVICE}[ のではをに→]{{1,2}}[ぁ-んァ-ヶー一-龯]{{0,10}}(?:id)? ?{_ANY_HANDLE}"),
    (
        "handle",
        rf"{_SERVICE}(?: ?'?(?:da|de|dan|den|tan|ten|ta|te))? (?:ekle|ekleyin|takip et|takip edin|ara|aratin) {_ANY_HANDLE}",
    ),
    ("handle", rf"{_SERVICE}[^\n]{{0,24}}?[,?!(]+ ?(?:(?:yo|o meu|ich|moi|me|mine|benim|i am|im) )?{_ANY_HANDLE}"),
    (
        "handle",
        rf"(?<![a-z0-9_.#])(?P<handle>(?!(?:this|that|what|here|there|it|which|not|and|the)(?![a-z]))[a-z0-9_][a-z0-9_.#-]{{4,31}})"
        rf" ?(?:<-+|=|is|ist|est|es|ese es|e|esse e|c'est|benim|が私の|は私の) ?(?:my |mi |meu |mein |mon )?{_SERVICE}",
    ),
    ("handle", rf"{_SERVICE}(?: me)? (?:as|at|by|under|@) {_ANY_HANDLE}"),
    (
        "handle",
        rf"(?:find|add|search|look up|follow|text|dm|message) (?:me|for)?[, ]+{_NO_NAME}{_ANY_HANDLE},? (?:over )?(?:on|in|at) {_SERVICE}",
    ),
    ("handle", rf"{_SERVICE} (?:da|de|ta|te) (?P<handle>[a-z0-9_][a-z0-9_.#-]{{3,31}}) (?:diye|olarak|adiyla)"),
    ("handle", rf"{_SERVICE} ?[ぁ-ん]{{1,6}}[?!？！]? ?{_ANY_HANDLE}"),
    (
        "handle",
        rf"{_SERVICE}[^\n]{{0,20}}?(?:mine is|mine:|its|it's|i am|im|i'm|bin ich|je suis|soy|sou|eu sou|ich|adim) {_ANY_HANDLE}",
    ),
]


_MOST_LETTERS, _MOST_GROUPS = 64, 8
_QUANTIFIER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\)?[*+][?+]?|\)?\{[0-9]+,\}|.", re.DOTALL)


def bounded(source: str) -> str:
    """Bound each repetition of a pattern, but possessive ones (`*+`): it then takes linear time on any text.

    A character is repeated 64 times at most, the length of a label of a domain and of the local part of an address;
    a group 8 times.
    """

    def bound(found: re.Match[str]) -> str:
        part = found[0]
        most, close = (_MOST_GROUPS, ")") if part[0] == ")" else (_MOST_LETTERS, "")
        repeat = part[len(close) :]
        if repeat.endswith(",}"):
            least = int(repeat[1:-2])
            return f"{close}{{{least},{least + most}}}"
        if repeat[:1] not in ("*", "+") or repeat[1:] == "+":
            return part
        return f"{close}{{{int(repeat[0] == '+')},{most}}}{repeat[1:]}"

    return _QUANTIFIER.sub(bound, source)


class RedactionRule(NamedTuple):
    """Pattern to redact, and a cheap pattern without which it cannot match: most texts are ruled out by that."""

    kind: str
    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None


_PARTS = {part: re.compile(bounded(part)) for part in (_SERVICE, _AGE, _BIRTH)}
NEEDED = tuple(_PARTS.values())
RULES = [
    RedactionRule(
        kind, re.compile(bounded(source)), next((needs for part, needs in _PARTS.items() if part in source), None)
    )
    for kind, source in _SOURCES
]

LEARN_NAME = re.compile(
    r"(?<![A-Za-z])(?:I'?m|i'?m|I am|i am|soy|sou|ich bin|Ich bin) "
    r"(?!(?:I|A|The|So|Not|From|In|At|Scratch|Level|OK|Ok|English|British|American|German|French|Spanish)\b)"
    r"(?P<name>[A-Z][a-z]{1,14})(?![A-Za-z0-9_])(?! (?:Level|Grade|School))"
)
"""A capital where a name would stand: seen in text whose capitals are kept."""

PLAIN_NAME = re.compile(
    r"(?:(?:by|from|credits? to|credit|thanks|follow|followed|copied|ask|where is|who is|gracias|creditos a|copiaste a|sigan a"
    r"|sigue a|creditos pra|copiou o|sigam|von|folgt|hast|de|copie|suivez|merci)[: ]{1,8}(?P<user>[a-z0-9_-]{2,30})(?![a-z0-9_-])"
    r"|(?<![a-z0-9_-])(?P<friend>[a-z0-9_-]{2,30})(?: (?:is|es|e|ist|est) (?:my|mi|meu|mein|mon)(?![a-z])| benim|さん| ?は友)"
    r"|(?<![a-z0-9_-])(?P<maker>[a-z0-9_-]{2,30}) tarafindan)"
)
"""Words around a username that may be an ordinary word."""
