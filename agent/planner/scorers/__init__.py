"""Scorers say how useful each option is: one Protocol, one file a way. The ladder from best to plainest: decisions, letters, ratings
(a model server), embedded (no model)."""
