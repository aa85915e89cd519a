"""The vocabulary of the sandbox: made up here, in the scripts that the site's users write in.

No comment piece holds a character beyond the basic plane: the site strips those before it saves a comment.
Titles and profiles may.
"""

# ruff: noqa: E501, RUF001  (lists of words; letters that look like others are what they are for)

from __future__ import annotations

EMOJI = [
    "meow", "gobo", "cat", "aww-cat", "cool-cat", "tongue-out-cat", "wink-cat", "lol-cat", "upside-down-cat",
    "huh-cat", "love-it-cat", "fav-it-cat", "rainbow-cat", "pizza-cat", "10mil", "waffle", "taco", "sushi", "apple",
    "broccoli", "pizza", "candycorn", "map", "camera", "suitcase", "compass", "binoculars", "cupcake", "pride", "blm",
]  # fmt: skip

SHORT_COMMENTS = [
    "yas", "Hi", "hi", "cool", "Nice!", "wow", "lol", "ok", "f4f?", "first", "so cute", "thanks", "ty", "np",
    "same", "how", "bruh", "Great job", "i love it", "LOVE THIS", "pls play my game", "nice project", "your welcome",
    "can i use this", "amazing", "good luck", "done", "added", "me too", "no", "yes", "what", "omg", "epic", "cringe",
    "this is so cool", "how do you do that", "I got 57", "my score is 1203", "W", "gg", "bump", "Day 3", "happy b-day",
    "don't", "it's good", "I can't stop playing", "you're the best", "\"wow\"", "r & d", "<3", ">:(", "1 < 2",
    "tysm…", "ok…", "★ nice ★", "☆ hi ☆", "→ look", "café", "naïve", "¿qué?", "¡hola!", "genial", "está muy bien",
    "trop bien", "c'est génial", "très joli", "schön", "größer", "świetne", "super grać", "muito legal", "não sei",
    "çok güzel", "harika", "привет", "круто", "Очень красиво!", "как сделать?", "ещё раз", "дуже гарно", "Γεια σου",
    "ωραίο", "مرحبا", "جميل جدا", "שלום", "יפה מאוד", "你好", "好厲害", "太棒了！", "加油", "すごい", "かわいい！",
    "いいね", "面白いです", "안녕하세요", "대박", "잘 만들었어요", "สวยมาก", "नमस्ते", "xin chào", "terima kasih",
    "@griffon look", "50% done", "a+b=c", "#1", "1/2", "~~~", "...", "?", "!!!", "uwu", "owo", ":)", ":D", "xD",
    "^_^", "ᴄᴏᴏʟ", "✓", "♡", "⌚ time", "©2024", "5×5", "±1", "±1°", "½", "∞", "≤3", "Ω", "trade™", "100€", "£5",
]  # fmt: skip

OPENERS = [
    "Hey,", "Hi!", "Hello there:", "wow,", "Um,", "So", "Well…", "I think", "btw", "Ok so", "Please", "Fun fact:",
    "Question:", "Suggestion –", "Bug:", "Tip →", "(edit)", "\"Quote\":", "Guys", "Dear creator,", "Also", "And",
    "Hola,", "Salut,", "Hallo,", "Cześć,", "Olá,", "Selam,", "Привет,", "Слушай,", "مرحبا،", "שלום,", "你好，",
    "ねえ、", "저기,", "@everyone", "lol", "no but", "tbh", "Not gonna lie,",
]  # fmt: skip

SENTENCES = [
    "how did you make the scrolling so smooth?", "I remixed it and added a second level.", "the music is great",
    "it doesn't work on my tablet :(", "you should make a part 2!", "I'm stuck on level 7", "this needs more views",
    "can you check out my new project?", "join my studio if you want", "what sprites did you use?",
    "the score goes below 0 if you press space & click", "try \"when flag clicked\" instead",
    "x < 10 and y > 20 should be the other way round", "I've been working on this since June",
    "thanks for the follow!", "I found a secret in the top-left corner", "it took me 3 hours…",
    "who else is here in 2026?", "please give credit", "my little brother loves this game",
    "you inspired me to start coding", "is it ok if I use the code?", "the hitbox is too big",
    "made before I was born...", "it's 100% the best platformer", "I'll add it to my studio",
    "can we collab?", "how many blocks does it have?", "the ending made me cry", "use a clone & a list",
    "¿cómo hiciste eso?", "me encanta tu proyecto", "no entiendo el nivel 5", "j'adore ce jeu", "c'est trop dur",
    "ich mag die Musik", "das ist ein bisschen zu schwer für mich", "bardzo fajna gra", "jak to zrobiłeś?",
    "que jogo incrível", "çok eğlenceli bir oyun", "очень интересная игра", "сделай продолжение, пожалуйста",
    "Мой рекорд — 1203 очка", "як пройти третій рівень?", "هذه لعبة رائعة", "كيف صنعت هذا؟", "משחק ממש כיף",
    "איך עושים את זה?", "這個遊戲很好玩", "请问怎么过第三关？", "音楽がとても良いです", "次の作品も楽しみにしています",
    "정말 재미있어요", "어떻게 만들었어요?", "สนุกมากครับ", "if (a && b) then c", "∀x: x ≠ y ⇒ x ≤ y",
    "← → to move, ↑ to jump", "█▄▀ pixel art ▀▄█", "½ of it is done · the rest comes soon", "so *cool* and _smooth_",
]  # fmt: skip

ENDINGS = [
    "!", "!!", "!!!", ".", "...", "…", " :)", " :D", " :(", " <3", " lol", " xD", "?", "??", " ♡", " ★", "\n", " >:)",
    " :3", " ;)", "~", " (please)", " \"lol\"", " & more", " thx", " #2", " ✓", " ™", " ©", " –", "\n\n", "\t",
]  # fmt: skip

# What breaks decoders: entities that a person typed, markup, controls, joiners, right-to-left marks.
ODD_COMMENTS = [
    "&lt;", "I typed &lt; and it shows &amp;lt;", "&nbsp;&nbsp;hi", "&#39;quoted&#39;", "<b>bold?</b>",
    "<script>alert('no')</script>", "<img src=x>", "a & b && c", "&notanentity; &copy", "\"'\"'\"", "tab\there",
    "line\nbreak\n\nthere", "nul-like \u0001\u0002", "bell \u0007", "c1 \u0080\u009f control", "zero\u200bwidth",
    "join\u200der", "\ufeffbom", "rtl \u202eabc\u202c", "e\u0301 is not é", "nbsp\u00a0here", "soft\u00adhyphen",
    "back\\slash \\n", "/users/x", "%s %d {}", "line\u2028separator", "\U0000fffd", "ﬁne ﬂow", "ʇxǝʇ", "z̷a̷l̷g̷o̷",
    ":cat:", "&lt;img src=\"/images/emoji/cat.png\"&gt;", "☃☎✂✉", "٠١٢٣٤", "１２３", "ⅷ", "K", "ſ", "ß",
    "NULL", "null", "true", "[]", "0", "-1", "1e309", "''", "; DROP TABLE comments;--", "\\N", "\\.",
]  # fmt: skip

TITLE_LISTS = {
    "{adjective}": [
        "Super", "Epic", "Tiny", "My", "The", "Crazy", "Pixel", "Lost", "Flying", "Infinite", "Magic", "Spooky", "Ultra",
        "Cozy", "Broken", "Secret", "Neon", "Frozen", "Jumping", "Paper", "Angry", "Sleepy", "Robot", "3D", "8-bit",
        "Multiplayer ☁", "A Very Hard", "Simple", "Generic", "Scrolling",
    ],
    "{thing}": [
        "Platformer", "Cat", "Maze", "Clicker", "Adventure", "Run", "Quiz", "Animation", "Story", "Racing", "Pong",
        "Dress Up", "Simulator", "Island", "Castle", "Dungeon", "Piano", "Drawing", "Music Video", "Trailer", "Engine",
        "Tutorial", "Ocean", "Space", "Dragon", "Garden", "Soccer", "Chess", "Tower Defense", "Contest Entry",
    ],
    "{suffix}": [
        "", " remix", " 2", " v1.2", " (REMAKE)", " || #games #all", " [beta]", " - Part 3", "!", "!!!", " ★", " ♡",
        " <3", " & friends", " \"demo\"", " — fin", "…", " 🎮", " 🐱‍🚀", " ☆彡", " (WIP)", " \\o/", "~", " 100%", "",
    ],
    "{foreign}": [
        "Мой первый проект", "Лабиринт", "Кот в космосе", "لعبة القطط", "سباق السيارات", "המשחק שלי", "מבוך",
        "我的遊戲", "貓咪跑酷", "冒险岛", "ネコのぼうけん", "シューティングゲーム", "고양이 게임", "달리기", "El laberinto",
        "Mi gato volador", "Le château hanté", "Käsefußball", "Gra w życie", "Ação!", "Uçan kedi", "Το παιχνίδι μου",
        "แมวบิน", "बिल्ली का खेल", "Rừng xanh",
    ],
    "{odd}": [
        "Untitled", "Untitled-2", "a", "…", "<b>not bold</b>", "Tom & Jerry's \"game\"", "&lt;3", "C:\\new\\folder",
        "bell\u0007 and esc\u001b", "tab\there", "del\u007f c1\u0085", "🎉🎉🎉", "👩‍👩‍👧‍👦 family", "𝕗𝕒𝕟𝕔𝕪 𝕥𝕖𝕩𝕥", "(ﾉ◕ヮ◕)ﾉ*:･ﾟ✧",
        "\u202eesrever\u202c", "zero\u200bwidth", "null", "NaN", "'; DROP TABLE projects;--", "=1+1", "{{title}}",
        "  spaces  ", "%00", "-", "@cat",
    ],
}  # fmt: skip

TITLE_PATTERNS = [
    ["{adjective}", " ", "{thing}", "{suffix}"],
    ["{adjective}", " ", "{thing}", "{suffix}"],
    ["{adjective}", " ", "{thing}", "{suffix}"],
    ["{thing}", " ", "{thing}"],
    ["{thing}", "{suffix}"],
    ["{adjective}", " ", "{adjective}", " ", "{thing}"],
    ["{foreign}", "{suffix}"],
    ["{foreign}"],
    ["{odd}"],
]

STUDIO_TITLE_PATTERNS = [
    ["{adjective}", " ", "{thing}", " studio", "{suffix}"],
    ["ADD ALL ", "{thing}", " projects", "{suffix}"],
    ["{thing}", " fans", "{suffix}"],
    ["Projects from ", "{foreign}"],
    ["{foreign}", "{suffix}"],
    ["{odd}"],
]

LONG_LISTS = {
    "{line}": [
        "Use the arrow keys to move.", "Press space to jump!", "Click the flag twice if it lags.", "Thanks for playing",
        "Credit to @griffon for the engine", "Music: \"Sunny Day\" (no copyright)", "Made in 3 days…", "Love & fave = ❤",
        "No hate in the comments pls", "I like cats, code & pizza", "he/him | she/her | they/them", "Scratcher since 2015",
        "Don't ask me to advertise", "Working on: a 3D engine", "What's up? Not much.", "1 < 2 <b>html?</b>", "f4f: no",
        "Я люблю рисовать", "أحب البرمجة", "אני אוהב לתכנת", "我喜歡寫程式", "よろしくお願いします", "코딩 좋아해요",
        "Me gusta programar", "J'aime les jeux", "Ich bin 11 Jahre alt", "🐱 cat lover 🐈‍⬛", "🌈✨ art ✨🌈", "🇵🇱 🇧🇷",
        "𝓯𝓪𝓷𝓬𝔂", "bell\u0007", "tab\tseparated\tline", "\u200b", "100% Scratch", "https://scratch.mit.edu/users/me/",
        "\\escaped\\", "'single' and \"double\"", "&amp; is not &", "c1\u0085control", "~*~*~*~", "W, A, S, D + mouse",
    ],
    "{break}": ["\n", " ", "\n\n", "\r\n", " | ", "\n- "],
}  # fmt: skip

LONG_PATTERNS = [
    ["{line}"],
    ["{line}", "{break}", "{line}"],
    ["{line}", "{break}", "{line}", "{break}", "{line}"],
    ["{line}", "{break}", "{line}", "{break}", "{line}", "{break}", "{line}", "\n"],
    ["{line}"] + ["{break}", "{line}"] * 12,
]
INSTRUCTION_PATTERNS = [["{line}"], ["{line}", "{break}", "{line}"], ["{line}", "{break}", "{line}", "\n", "{line}"]]
BIO_PATTERNS = [["{line}"], ["{line}", "{break}", "{line}"], ["{line}", "{break}", "{line}", "{break}", "{line}"]]
STATUS_PATTERNS = [["{line}"], ["{line}", " ", "{line}"]]

NAME_FIRST = [
    "Cool", "super", "Pixel", "cat", "Dragon", "magic", "Code", "Star", "ninja", "Mr", "Captain", "little", "Happy",
    "blue", "Red", "shadow", "Turbo", "lazy", "Cyber", "moon", "Sunny", "Rocket", "wolf", "panda", "Pizza", "the",
    "Crazy", "sky", "Ice", "fire", "robo", "Mega", "silver", "Waffle", "taco", "zebra", "Luna", "Max", "leo", "Nova",
]  # fmt: skip
NAME_SECOND = [
    "Cat", "gamer", "Coder", "dragon", "Fox", "kid", "Star", "wolf", "Maker", "bunny", "Scratcher", "art", "pro",
    "Panda", "fan", "boy", "girl", "Builder", "storm", "Bear", "owl", "Tiger", "bot", "king", "Queen", "hero", "sloth",
    "Potato", "cookie", "Wizard", "pilot", "Ghost", "ninja", "rider", "Comet", "tree", "Drop", "zap", "koala", "Otter",
]  # fmt: skip
