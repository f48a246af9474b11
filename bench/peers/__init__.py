"""What people use today, measured beside us. `project` runs in `.venv-peers`, the rest in ours."""
