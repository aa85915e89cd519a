"""The opcodes of Scratch: those of Scratch 2 as Scratch 3's, the category of each, and which inputs hold a name.

Sources: the pages "Scratch File Format" (2.0 and 3.0) and "Block Selectors" of the Scratch Wiki; what Scratch's editor
writes when it saves a project of Scratch 2 (compared in `tests/source/test_virtual_machine.py`).
"""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """The palette of a block, as the editor of Scratch 3 shows it."""

    MOTION = "motion"
    LOOKS = "looks"
    SOUND = "sound"
    EVENTS = "events"
    CONTROL = "control"
    SENSING = "sensing"
    OPERATORS = "operators"
    VARIABLES = "variables"
    CUSTOM_BLOCKS = "custom_blocks"
    EXTENSION = "extension"
    UNKNOWN = "unknown"


_PREFIXES = {
    "motion": Category.MOTION,
    "looks": Category.LOOKS,
    "sound": Category.SOUND,
    "event": Category.EVENTS,
    "control": Category.CONTROL,
    "sensing": Category.SENSING,
    "operator": Category.OPERATORS,
    "data": Category.VARIABLES,
    "procedures": Category.CUSTOM_BLOCKS,
    "argument": Category.CUSTOM_BLOCKS,
}

UNKNOWN = "unknown"


_PREFIXES = {
    "motion": Category.MOTION,
    "looks": Category.LOOKS,
    "sound": Category.SOUND,
    "event": Category.EVENTS,
    "control": Category.CONTROL,
    "sensing": Category.SENSING,
    "operator": Category.OPERATORS,
    "data": Category.VARIABLES,
    "procedures": Category.CUSTOM_BLOCKS,
    "argument": Category.CUSTOM_BLOCKS,
}

EXTENSIONS = frozenset(
    {
        "boost",
        "ev3",
        "faceSensing",
        "gdxfor",
        "makeymakey",
        "microbit",
        "music",
        "pen",
        "text2speech",
        "translate",
        "videoSensing",
        "wedo2",
    }
)
"""The extensions that Scratch's own editor offers; the first part of the opcodes of their blocks."""

UNKNOWN = "unknown"
"""Stands for an opcode or an extension that is not Scratch's own, which anybody can write into a source."""

_SCRATCH_2 = """
forward:                        motion_movesteps STEPS
turnRight:                      motion_turnright DEGREES
turnLeft:                       motion_turnleft DEGREES
heading:                        motion_pointindirection DIRECTION
pointTowards:                   motion_pointtowards TOWARDS
gotoX:y:                        motion_gotoxy X Y
gotoSpriteOrMouse:              motion_goto TO
glideSecs:toX:y:elapsed:from:   motion_glidesecstoxy SECS X Y
changeXposBy:                   motion_changexby DX
xpos:                           motion_setx X
changeYposBy:                   motion_changeyby DY
ypos:                           motion_sety Y
bounceOffEdge                   motion_ifonedgebounce
setRotationStyle                motion_setrotationstyle STYLE
xpos                            motion_xposition
ypos                            motion_yposition
heading                         motion_direction
scrollRight                     motion_scroll_right DISTANCE
scrollUp                        motion_scroll_up DISTANCE
scrollAlign                     motion_align_scene ALIGNMENT
xScroll                         motion_xscroll
yScroll                         motion_yscroll
say:duration:elapsed:from:      looks_sayforsecs MESSAGE SECS
say:                            looks_say MESSAGE
think:duration:elapsed:from:    looks_thinkforsecs MESSAGE SECS
think:                          looks_think MESSAGE
show                            looks_show
hide                            looks_hide
hideAll                         looks_hideallsprites
lookLike:                       looks_switchcostumeto COSTUME
nextCostume                     looks_nextcostume
startScene                      looks_switchbackdropto BACKDROP
startSceneAndWait               looks_switchbackdroptoandwait BACKDROP
nextScene                       looks_nextbackdrop
changeGraphicEffect:by:         looks_changeeffectby EFFECT CHANGE
setGraphicEffect:to:            looks_seteffectto EFFECT VALUE
filterReset                     looks_cleargraphiceffects
changeSizeBy:                   looks_changesizeby CHANGE
setSizeTo:                      looks_setsizeto SIZE
changeStretchBy:                looks_changestretchby CHANGE
setStretchTo:                   looks_setstretchto STRETCH
comeToFront                     looks_gotofrontback FRONT_BACK=front
goBackByLayers:                 looks_goforwardbackwardlayers NUM FORWARD_BACKWARD=backward
costumeIndex                    looks_costumenumbername NUMBER_NAME=number
costumeName                     looks_costumenumbername NUMBER_NAME=name
backgroundIndex                 looks_backdropnumbername NUMBER_NAME=number
sceneName                       looks_backdropnumbername NUMBER_NAME=name
scale                           looks_size
playSound:                      sound_play SOUND_MENU
doPlaySoundAndWait              sound_playuntildone SOUND_MENU
stopAllSounds                   sound_stopallsounds
changeVolumeBy:                 sound_changevolumeby VOLUME
setVolumeTo:                    sound_setvolumeto VOLUME
volume                          sound_volume
playDrum                        music_playDrumForBeats DRUM BEATS
drum:duration:elapsed:from:     music_midiPlayDrumForBeats DRUM BEATS
rest:elapsed:from:              music_restForBeats BEATS
noteOn:duration:elapsed:from:   music_playNoteForBeats NOTE BEATS
instrument:                     music_setInstrument INSTRUMENT
midiInstrument:                 music_midiSetInstrument INSTRUMENT
changeTempoBy:                  music_changeTempo TEMPO
setTempoTo:                     music_setTempo TEMPO
tempo                           music_getTempo
clearPenTrails                  pen_clear
stampCostume                    pen_stamp
putPenDown                      pen_penDown
putPenUp                        pen_penUp
penColor:                       pen_setPenColorToColor COLOR
changePenHueBy:                 pen_changePenHueBy HUE
setPenHueTo:                    pen_setPenHueToNumber HUE
changePenShadeBy:               pen_changePenShadeBy SHADE
setPenShadeTo:                  pen_setPenShadeToNumber SHADE
changePenSizeBy:                pen_changePenSizeBy SIZE
penSize:                        pen_setPenSizeTo SIZE
senseVideoMotion                videoSensing_videoOn ATTRIBUTE SUBJECT
setVideoState                   videoSensing_videoToggle VIDEO_STATE
setVideoTransparency            videoSensing_setVideoTransparency TRANSPARENCY
whenGreenFlag                   event_whenflagclicked
whenKeyPressed                  event_whenkeypressed KEY_OPTION
whenClicked                     event_whenthisspriteclicked
whenSceneStarts                 event_whenbackdropswitchesto BACKDROP
whenSensorGreaterThan           event_whengreaterthan WHENGREATERTHANMENU VALUE
whenIReceive                    event_whenbroadcastreceived BROADCAST_OPTION
broadcast:                      event_broadcast BROADCAST_INPUT
doBroadcastAndWait              event_broadcastandwait BROADCAST_INPUT
wait:elapsed:from:              control_wait DURATION
doRepeat                        control_repeat TIMES SUBSTACK
doForever                       control_forever SUBSTACK
doIf                            control_if CONDITION SUBSTACK
doIfElse                        control_if_else CONDITION SUBSTACK SUBSTACK2
doWaitUntil                     control_wait_until CONDITION
doUntil                         control_repeat_until CONDITION SUBSTACK
doWhile                         control_while CONDITION SUBSTACK
doForLoop                       control_for_each VARIABLE VALUE SUBSTACK
stopScripts                     control_stop STOP_OPTION
whenCloned                      control_start_as_clone
createCloneOf                   control_create_clone_of CLONE_OPTION
deleteClone                     control_delete_this_clone
COUNT                           control_get_counter
INCR_COUNT                      control_incr_counter
CLR_COUNT                       control_clear_counter
warpSpeed                       control_all_at_once SUBSTACK
touching:                       sensing_touchingobject TOUCHINGOBJECTMENU
touchingColor:                  sensing_touchingcolor COLOR
color:sees:                     sensing_coloristouchingcolor COLOR COLOR2
distanceTo:                     sensing_distanceto DISTANCETOMENU
doAsk                           sensing_askandwait QUESTION
answer                          sensing_answer
keyPressed:                     sensing_keypressed KEY_OPTION
mousePressed                    sensing_mousedown
mouseX                          sensing_mousex
mouseY                          sensing_mousey
soundLevel                      sensing_loudness
isLoud                          sensing_loud
timer                           sensing_timer
timerReset                      sensing_resettimer
getAttribute:of:                sensing_of PROPERTY OBJECT
timeAndDate                     sensing_current CURRENTMENU
timestamp                       sensing_dayssince2000
getUserName                     sensing_username
getUserId                       sensing_userid
+                               operator_add NUM1 NUM2
-                               operator_subtract NUM1 NUM2
*                               operator_multiply NUM1 NUM2
/                               operator_divide NUM1 NUM2
randomFrom:to:                  operator_random FROM TO
<                               operator_lt OPERAND1 OPERAND2
=                               operator_equals OPERAND1 OPERAND2
>                               operator_gt OPERAND1 OPERAND2
&                               operator_and OPERAND1 OPERAND2
|                               operator_or OPERAND1 OPERAND2
not                             operator_not OPERAND
concatenate:with:               operator_join STRING1 STRING2
letter:of:                      operator_letter_of LETTER STRING
stringLength:                   operator_length STRING
%                               operator_mod NUM1 NUM2
rounded                         operator_round NUM
computeFunction:of:             operator_mathop OPERATOR NUM
readVariable                    data_variable VARIABLE
getVar:                         data_variable VARIABLE
setVar:to:                      data_setvariableto VARIABLE VALUE
changeVar:by:                   data_changevariableby VARIABLE VALUE
showVariable:                   data_showvariable VARIABLE
hideVariable:                   data_hidevariable VARIABLE
contentsOfList:                 data_listcontents LIST
append:toList:                  data_addtolist ITEM LIST
deleteLine:ofList:              data_deleteoflist INDEX LIST
insert:at:ofList:               data_insertatlist ITEM INDEX LIST
setLine:ofList:to:              data_replaceitemoflist INDEX LIST ITEM
getLine:ofList:                 data_itemoflist INDEX LIST
lineCountOfList:                data_lengthoflist LIST
list:contains:                  data_listcontainsitem LIST ITEM
showList:                       data_showlist LIST
hideList:                       data_hidelist LIST
WeDo:motorOnFor                 wedo2_motorOnFor MOTOR_ID DURATION
WeDo:motorOn                    wedo2_motorOn MOTOR_ID
WeDo:motorOff                   wedo2_motorOff MOTOR_ID
WeDo:startMotorPower            wedo2_startMotorPower MOTOR_ID POWER
WeDo:setMotorDirection          wedo2_setMotorDirection MOTOR_ID MOTOR_DIRECTION
WeDo:setLED                     wedo2_setLightHue HUE
WeDo:playNote                   wedo2_playNoteFor NOTE DURATION
WeDo:whenDistance               wedo2_whenDistance OP REFERENCE
WeDo:whenTilted                 wedo2_whenTilted TILT_DIRECTION_ANY
WeDo:getDistance                wedo2_getDistance
WeDo:isTilted                   wedo2_isTilted TILT_DIRECTION_ANY
WeDo:getTilt                    wedo2_getTiltAngle TILT_DIRECTION
"""
"""Opcode of Scratch 2, then that of Scratch 3 with the inputs and fields that the arguments fill, in order.

A name with a value (`FRONT_BACK=front`) is a field that the block of Scratch 2 has no argument for. `WeDo:` stands for
`LEGO WeDo 2.0` and the character U+001F.
"""


def _read(table: str) -> dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    read = {}
    for line in table.strip().splitlines():
        old, new, *names = line.split()
        fixed = tuple((name, value) for name, mark, value in (n.partition("=") for n in names) if mark)
        for separator in ("\x1f", "."):
            spelled = old.replace("WeDo:", f"LEGO WeDo 2.0{separator}")
            read[spelled] = (new, tuple(name for name in names if "=" not in name), fixed)
    return read


SCRATCH_2 = _read(_SCRATCH_2)
"""Opcode of Scratch 2 -> opcode of Scratch 3, the names of its arguments in order, fields with a fixed value."""

_SCRATCH_3 = """
motion_glideto SECS TO
sound_changeeffectby EFFECT VALUE
sound_cleareffects
sound_seteffectto EFFECT VALUE
event_whentouchingobject TOUCHINGOBJECTMENU
event_whenstageclicked
sensing_online
sensing_setdragmode DRAG_MODE
operator_contains STRING1 STRING2
data_deletealloflist LIST
data_itemnumoflist ITEM LIST
procedures_call
procedures_definition
procedures_prototype
argument_reporter_boolean VALUE
argument_reporter_string_number VALUE
boost_getMotorPosition
boost_getTiltAngle
boost_motorOff
boost_motorOn
boost_motorOnFor
boost_motorOnForRotation
boost_seeingColor
boost_setLightHue
boost_setMotorDirection
boost_setMotorPower
boost_whenColor
boost_whenTilted
ev3_beep
ev3_buttonPressed
ev3_getBrightness
ev3_getDistance
ev3_getMotorPosition
ev3_motorSetPower
ev3_motorTurnClockwise
ev3_motorTurnCounterClockwise
ev3_whenBrightnessLessThan
ev3_whenButtonPressed
ev3_whenDistanceLessThan
faceSensing_faceIsDetected
faceSensing_faceSize
faceSensing_faceTilt
faceSensing_goToPart
faceSensing_pointInFaceTiltDirection
faceSensing_setSizeToFaceSize
faceSensing_whenFaceDetected
faceSensing_whenSpriteTouchesPart
faceSensing_whenTilted
gdxfor_getAcceleration
gdxfor_getForce
gdxfor_getSpinSpeed
gdxfor_getTilt
gdxfor_isFreeFalling
gdxfor_isTilted
gdxfor_whenForcePushedOrPulled
gdxfor_whenGesture
gdxfor_whenTilted
makeymakey_whenCodePressed
makeymakey_whenMakeyKeyPressed
microbit_displayClear
microbit_displaySymbol
microbit_displayText
microbit_getTiltAngle
microbit_isButtonPressed
microbit_isTilted
microbit_whenButtonPressed
microbit_whenGesture
microbit_whenPinConnected
microbit_whenTilted
pen_changePenColorParamBy COLOR_PARAM VALUE
pen_setPenColorParamTo COLOR_PARAM VALUE
text2speech_setLanguage LANGUAGE
text2speech_setVoice VOICE
text2speech_speakAndWait WORDS
translate_getTranslate WORDS LANGUAGE
translate_getViewerLanguage
videoSensing_whenMotionGreaterThan REFERENCE
"""
"""Further opcodes of Scratch 3, each with its inputs and fields as far as they are listed."""

OPCODES = frozenset(new for new, _, _ in SCRATCH_2.values()) | frozenset(
    line.split()[0] for line in _SCRATCH_3.strip().splitlines()
)
"""The blocks of Scratch 3 and of its own extensions. Other editors have more; those of a source can be any text."""

SLOTS = frozenset(name for _, names, fixed in SCRATCH_2.values() for name in (*names, *dict(fixed))) | frozenset(
    name for line in _SCRATCH_3.strip().splitlines() for name in line.split()[1:]
)
"""The names of inputs and fields."""

EXTENSIONS = frozenset(opcode.partition("_")[0] for opcode in OPCODES) - frozenset(_PREFIXES)
"""The extensions that Scratch's own editor offers: the first part of the opcodes of their blocks."""

HATS = frozenset(
    {
        "control_start_as_clone",
        *(opcode for opcode in OPCODES if opcode.partition("_")[2].startswith("when")),
    }
)
"""The blocks that start the script below them when something happens."""

_ATTRIBUTES = frozenset(
    {
        "background #", "backdrop #", "backdrop name", "costume #", "costume name", "direction", "size", "volume",
        "x position", "y position",
    }
)  # fmt: skip
_NOTHING: frozenset[str] = frozenset()

_NAMES = {
    "BACKDROP": ("backdrop", frozenset({"next backdrop", "previous backdrop", "random backdrop"})),
    "BROADCAST_INPUT": ("message", _NOTHING),
    "BROADCAST_OPTION": ("message", _NOTHING),
    "CLONE_OPTION": ("sprite", frozenset({"_myself_"})),
    "COSTUME": ("costume", _NOTHING),
    "DISTANCETOMENU": ("sprite", frozenset({"_mouse_"})),
    "LIST": ("list", _NOTHING),
    "OBJECT": ("sprite", frozenset({"_stage_"})),
    "PROCCODE": ("custom block", _NOTHING),
    "PROPERTY": ("variable", _ATTRIBUTES),
    "SOUND_MENU": ("sound", _NOTHING),
    "TO": ("sprite", frozenset({"_mouse_", "_random_"})),
    "TOUCHINGOBJECTMENU": ("sprite", frozenset({"_edge_", "_mouse_"})),
    "TOWARDS": ("sprite", frozenset({"_mouse_", "_random_"})),
    "VARIABLE": ("variable", _NOTHING),
}
"""Inputs and fields that hold a name: of what, and those of their texts that are Scratch's own."""


def kind_of_name(opcode: str, slot: str, text: str) -> str | None:
    """Return what a text of a block names, such as `variable`; None where it is no name that somebody chose."""
    if opcode.startswith("argument_reporter_") or slot.startswith("PARAMETER"):
        return "parameter"
    if opcode == "operator_random" or slot not in _NAMES:  # the `TO` of a random number is a number
        return None
    kind, own = _NAMES[slot]
    return None if text in own else kind


def known_opcode(opcode: str) -> str:
    """Return an opcode that Scratch has, or `UNKNOWN`."""
    return opcode if opcode in OPCODES else UNKNOWN


def category_of(opcode: str) -> Category:
    """Return the category of an opcode of Scratch 3, `UNKNOWN` for one that is not Scratch's own."""
    if opcode not in OPCODES:
        return Category.UNKNOWN
    return _PREFIXES.get(opcode.partition("_")[0], Category.EXTENSION)
