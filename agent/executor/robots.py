"""The robots saydo has tables for. A new one is a new table: names, unit, where π0 and RDT keep the numbers, conversions where they differ.

Slots are π0's in order and RDT's by name; `Part` in embodiment.py says what each column means.
"""

from dataclasses import replace

from agent.errors import ConfigError, hint
from agent.executor.embodiment import (
    ALOHA_GRIPPER_COMMAND,
    DOWNWARD_VECTOR,
    FLIP,
    SAME,
    VECTOR,
    Camera,
    Embodiment,
    Form,
    Part,
    Space,
    aloha_gripper_state,
    linear,
)


def counted(text: str, count: int, first: int = 0) -> tuple[str, ...]:
    """('joint_0', 'joint_1', …) of 'joint_{}'."""
    return tuple(text.format(i) for i in range(first, first + count))


def slots(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


XYZ = ("eef_pos_x", "eef_pos_y", "eef_pos_z")
SIX = counted("eef_angle_{}", 6)
SEVEN, SIX_JOINTS = counted("arm_joint_{}_pos", 7), counted("arm_joint_{}_pos", 6)

# --- the workbench's own arm: a Franka Panda, commanded by the pose of its tool centre point ---------------------------------

POSE = (
    Part(("x", "y", "z"), "m", slots(0, 3), XYZ),
    Part(("rx", "ry", "rz"), "rad", slots(3, 3), SIX, rdt_form=DOWNWARD_VECTOR),  # relative to pointing straight down
)
PANDA = Embodiment(
    "panda",
    20,
    Space(
        (
            Part(counted("joint{}", 7, first=1), "rad", slots(0, 7), SEVEN),
            *(replace(part, pi0=tuple(7 + slot for slot in part.pi0)) for part in POSE),
            Part(("width",), "m, 0.08 open", (13,), ("gripper_open",), pi0_form=linear(-1 / 0.08, 1), rdt_form=linear(1 / 0.08)),
        )
    ),
    Space((*POSE, Part(("gripper",), "fraction open", (6,), ("gripper_open",), pi0_form=FLIP))),
    (Camera("front", 224, 224, "exterior"), Camera("wrist", 128, 128, "wrist")),
)


# --- two arms of six joints and a gripper each, left arm first ---------------------------------------------------------------


def arm(side: str, first: int, joints: Form, gripper: str, pi0_gripper: Form, rdt_gripper: Form) -> tuple[Part, Part]:
    """Joints rad and gripper of one arm; π0's slots from `first`."""
    turns = counted(f"{side}_arm_joint_{{}}_pos", 6)
    return (
        Part(counted(f"{side}_joint_{{}}", 6), "rad", slots(first, 6), turns, pi0_form=joints, delta=True),
        Part((f"{side}_gripper",), gripper, (first + 6,), (f"{side}_gripper_open",), pi0_form=pi0_gripper, rdt_form=rdt_gripper),
    )


TWO_ARM_CAMERAS = (
    Camera("cam_high", 480, 640, "exterior"),
    Camera("cam_left_wrist", 480, 640, "left wrist"),
    Camera("cam_right_wrist", 480, 640, "right wrist"),
)

ALOHA_JOINTS = linear((1, -1, -1, 1, 1, 1))  # two of ALOHA's joints turn the other way round in π0
ALOHA_STATE, ALOHA_ACTION = (
    Space(arm("left", 0, ALOHA_JOINTS, "fraction open", gripper, SAME) + arm("right", 7, ALOHA_JOINTS, "fraction open", gripper, SAME))
    for gripper in (aloha_gripper_state(), ALOHA_GRIPPER_COMMAND)
)
ALOHA = Embodiment("aloha", 50, ALOHA_STATE, ALOHA_ACTION, TWO_ARM_CAMERAS)


def agilex(left: float, right: float) -> Space:
    """Grippers in the device's own units; `left` and `right` are its reading when open. Measured and commanded by different devices."""
    sides = (("left", 0, left), ("right", 7, right))
    return Space(
        tuple(
            part
            for side, first, full in sides
            for part in arm(side, first, SAME, f"0 closed … {full:g} open", linear(-1 / full, 1), linear(1 / full))
        )
    )


AGILEX = Embodiment("agilex", 25, agilex(4.7908, 4.7888), agilex(11.8997, 13.9231), TWO_ARM_CAMERAS)


# --- single arms -------------------------------------------------------------------------------------------------------------

CLOSING = "fraction closed"

DROID = Embodiment(
    "droid",
    15,
    Space(
        (
            Part(counted("joint_{}", 7), "rad", slots(0, 7), SEVEN),
            Part(("gripper",), CLOSING, (7,), ("gripper_open",), rdt_form=FLIP),
        )
    ),
    Space(
        (
            Part(counted("joint_{}_vel", 7), "rad/s", slots(0, 7), counted("arm_joint_{}_vel", 7)),
            Part(("gripper",), CLOSING, (7,), ("gripper_open",), rdt_form=FLIP),
        )
    ),
    (Camera("exterior_image_1_left", 180, 320, "exterior"), Camera("wrist_image_left", 180, 320, "wrist")),
)

UR5_ARM = (
    Part(counted("joint_{}", 6), "rad", slots(0, 6), SIX_JOINTS, delta=True),
    Part(("gripper",), CLOSING, (6,), ("gripper_open",), rdt_form=FLIP),
)
UR5 = Embodiment(
    "ur5", 20, Space(UR5_ARM), Space(UR5_ARM), (Camera("base_rgb", 480, 640, "exterior"), Camera("wrist_rgb", 480, 640, "wrist"))
)

LIBERO_METRES, LIBERO_RADIANS = 0.05 * 20, 0.5 * 20  # a full command moves 5 cm and 0.5 rad in one of 20 periods a second
LIBERO = Embodiment(
    "libero",
    20,
    Space(
        (
            Part(("x", "y", "z"), "m", slots(0, 3), XYZ),
            Part(("rx", "ry", "rz"), "rad", slots(3, 3), SIX, rdt_form=VECTOR),
            Part(
                ("finger_0", "finger_1"), "m, 0 closed, ±0.04 open", slots(6, 2), ("gripper_open", "gripper_joint_1_pos"),
                rdt_form=linear((25, -25)),
            ),
        )
    ),
    Space(
        (
            Part(("dx", "dy", "dz"), "of 5 cm", slots(0, 3), ("eef_vel_x", "eef_vel_y", "eef_vel_z"), rdt_form=linear(LIBERO_METRES)),
            Part(
                ("droll", "dpitch", "dyaw"), "of 0.5 rad", slots(3, 3),
                ("eef_angular_vel_roll", "eef_angular_vel_pitch", "eef_angular_vel_yaw"), rdt_form=linear(LIBERO_RADIANS),
            ),
            Part(("gripper",), "−1 open … 1 closed", (6,), ("gripper_open",), rdt_form=linear(-0.5, 0.5)),
        )
    ),
    (Camera("image", 256, 256, "exterior"), Camera("wrist_image", 256, 256, "wrist")),
)  # fmt: skip

EMBODIMENTS = {table.name: table for table in (PANDA, ALOHA, AGILEX, DROID, UR5, LIBERO)}


def embodiment(name: str) -> Embodiment:
    """The table of that name; raises ConfigError, which says what there is."""
    if name not in EMBODIMENTS:
        raise ConfigError(
            f"There is no embodiment '{name}'. There are: {', '.join(EMBODIMENTS)}.{hint(name, EMBODIMENTS)} "
            "A new robot is one more table in agent/executor/robots.py."
        )
    return EMBODIMENTS[name]
