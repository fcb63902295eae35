"""A worker in Python that says in a file when it begins and ends a job: "begin 7 ID ATTEMPT TIME", "end 7 ..."."""
import pathlib

LIB = pathlib.Path(__file__).resolve().parents[2] / "etc" / "workers"

# What a job's words have it do, in this order; the first word is its name.
WORKER = f"""
import os, signal, sys, time
sys.path.insert(0, {str(LIB)!r})
import troupe
def handle(job):
    words = job.body.decode().split()
    def note(what):
        with open(os.environ["NOTES"], "a") as f:
            f.write(f"{{what}} {{words[0]}} {{job.id}} {{job.attempt}} {{time.time()}}\\n")
    note("begin")
    if "die" in words:
        os._exit(9)
    if "wait" in words:  # until a file is there
        while not os.path.exists(os.environ["NOTES"] + ".go"):
            time.sleep(0.01)
    if "deaf" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if "fail" in words:
        raise RuntimeError("it was told to")
    if "sleep" in words:
        time.sleep(float(words[words.index("sleep") + 1]))
    note("end")
    if "leave" in words and job.attempt == 1:  # it is done, and nobody is told
        os.kill(os.getpid(), signal.SIGKILL)
troupe.run(handle)
"""


class Notes:
    """What workers have noted in a folder."""

    def __init__(self, folder):
        (folder / "worker.py").write_text(WORKER)
        self.path = folder / "notes"
        self.path.touch()

    def lines(self, what="end"):
        return [line for line in self.path.read_text().splitlines() if line.startswith(what + " ")]

    def names(self, what="end"):
        """The first word of each job that began, or ended."""
        return [line.split()[1] for line in self.lines(what)]

    def go(self):
        pathlib.Path(f"{self.path}.go").touch()
