"""`saydo eval`: how well it works, measured.

protocol.py says what is to be measured, episodes.py what that comes to, rollout.py plays one episode, runner.py all of them, results.py
adds up, page.py shows it. Everything that a figure depends on is in the protocol, whose hash is part of the result.
"""
