"""python -m sim.environments: write down the ids of all task templates, and show them."""

from sim.environments import GENERAL, WRITTEN, env_id
from sim.tasks import templates

if __name__ == "__main__":
    WRITTEN.write_text("".join(f"{name}\n" for name in sorted(templates())), encoding="utf-8")
    print("\n".join([GENERAL, *(env_id(name) for name in sorted(templates()))]))
