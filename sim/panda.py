"""The arm in a world: motors with honest limits, and a hand whose two fingers are tied so that what is grasped does not drift."""

from typing import NamedTuple

import numpy as np
import pybullet
from numpy.typing import NDArray

from sim import kinematics
from sim.meshes import panda_urdf
from sim.world import World

Vector = NDArray[np.float64]

ARM = range(7)
FINGERS = (9, 10)
HAND_LINK, TCP_LINK = 8, 11
HOME = (0.36, 0.0, 0.40)
"""TCP position of the home pose, tool down, m."""
TORQUE = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
JOINT_SPEED = 2.0
FINGER_TRAVEL, FINGER_SPEED = 0.04, 0.1
GRIP_FORCE, GRIP_FRICTION, SPIN_FRICTION = 40.0, 1.0, 0.005
GEAR_ERP, GEAR_FORCE = 0.1, 50.0


class Motors(NamedTuple):
    """What the motors are told: not part of Bullet's state, so a snapshot carries it."""

    joints: tuple[float, ...]
    """Joint targets, rad."""
    opening: float
    """Fraction of the full opening."""
    force: float
    """Of each finger, N."""
    friction: float
    """Lateral friction coefficient of the finger pads."""


class Panda:
    """Commands and measurements of the arm and hand; lengths in m, angles in rad, forces in N."""

    def __init__(self, world: World) -> None:
        self.bullet = world.bullet
        self.body = world.load("robot", str(panda_urdf()), (0.0, 0.0, 0.0), fixed=True)
        self._tie_fingers()
        self.home = kinematics.inverse(kinematics.REST, np.array(HOME), kinematics.DOWN, iterations=200).joints
        for joint, angle in zip(ARM, self.home, strict=True):
            self.bullet.resetJointState(self.body, joint, angle)
        for finger in FINGERS:
            self.bullet.resetJointState(self.body, finger, FINGER_TRAVEL)
        self._friction = 0.0
        self.motors = Motors(tuple(map(float, self.home)), 1.0, GRIP_FORCE, GRIP_FRICTION)
        self.set_motors(self.motors)

    def _tie_fingers(self) -> None:
        """A gear of ratio −1: two independent finger motors would cancel out and let the pair float sideways."""
        gear = self.bullet.createConstraint(
            self.body, FINGERS[0], self.body, FINGERS[1], pybullet.JOINT_GEAR, [1, 0, 0], [0, 0, 0], [0, 0, 0]
        )
        self.bullet.changeConstraint(gear, gearRatio=-1, erp=GEAR_ERP, maxForce=GEAR_FORCE)

    def _set_friction(self, lateral: float) -> None:
        """Anchors (sticking contacts that do not creep) would keep their old friction, so a slippery grip has none."""
        if lateral == self._friction:
            return
        self._friction = lateral
        for finger in FINGERS:
            self.bullet.changeDynamics(
                self.body, finger, lateralFriction=lateral, spinningFriction=SPIN_FRICTION, frictionAnchor=lateral >= GRIP_FRICTION
            )

    def set_motors(self, motors: Motors) -> None:
        """Send every target; holds until the next call."""
        self._set_friction(motors.friction)
        self.motors = motors
        drive = self.bullet.setJointMotorControl2
        for joint, angle, torque in zip(ARM, motors.joints, TORQUE, strict=True):
            drive(self.body, joint, pybullet.POSITION_CONTROL, targetPosition=angle, force=torque, maxVelocity=JOINT_SPEED)
        for finger in FINGERS:
            drive(self.body, finger, pybullet.POSITION_CONTROL, targetPosition=motors.opening * FINGER_TRAVEL,
                  force=motors.force, maxVelocity=FINGER_SPEED)  # fmt: skip

    def command(self, joints: Vector, opening: float) -> None:
        """Drive to joint angles float[7] with the hand at an opening fraction in 0..1."""
        self.set_motors(self.motors._replace(joints=tuple(map(float, joints)), opening=float(opening)))

    def joints(self) -> tuple[Vector, Vector]:
        """Measured angles and speeds, float64[7] each."""
        states = self.bullet.getJointStates(self.body, list(ARM))
        return np.array([state[0] for state in states]), np.array([state[1] for state in states])

    def tcp(self) -> tuple[Vector, NDArray[np.float64]]:
        """Measured pose of the tool centre point: position float64[3], rotation float64[3, 3]."""
        return kinematics.forward(self.joints()[0])

    def tcp_speed(self) -> float:
        """m/s, from the measured joint speeds."""
        joints, speeds = self.joints()
        ahead, _ = kinematics.forward(joints + 1e-4 * speeds)
        here, _ = kinematics.forward(joints)
        return float(np.linalg.norm(ahead - here)) / 1e-4

    def width(self) -> float:
        """Measured distance between the finger pads, m."""
        return float(sum(state[0] for state in self.bullet.getJointStates(self.body, list(FINGERS))))
