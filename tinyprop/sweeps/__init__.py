"""Many runs as one piece of work: where each stands, launching until all have ended, processes that may die."""
