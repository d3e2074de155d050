"""The picture of all looks: python docs/looks.py docs/looks.png"""

import sys

from PIL import Image, ImageDraw, ImageFont

from sim.layout import read_layout
from sim.looks import HELD_OUT, LOOKS
from sim.robot import SimRobot

WIDTH, GAP, SEED = 280, 6, 4
"""Pixels of a picture and between pictures; which world."""


def main(file: str) -> None:
    height = WIDTH * 3 // 4
    sheet = Image.new("RGB", (5 * WIDTH + 6 * GAP, height + WIDTH + 3 * GAP + 20), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, look in enumerate(LOOKS):
        robot = SimRobot(read_layout("bench").model_copy(update={"look": look}), seed=SEED)
        left = GAP + column * (WIDTH + GAP)
        pen.text((left + 2, 2), f"{look} (held out)" if look == HELD_OUT else look, fill="black", font=font)
        sheet.paste(Image.fromarray(robot.picture("studio")).resize((WIDTH, height), Image.Resampling.LANCZOS), (left, 20 + GAP))
        sheet.paste(Image.fromarray(robot.picture("front", WIDTH)), (left, 20 + 2 * GAP + height))
        robot.close()
    sheet.save(file, optimize=True)
    print(f"{file}: {sheet.width}×{sheet.height}")


if __name__ == "__main__":
    main(*sys.argv[1:])
