"""The format of outlast's own, for lines that nobody has given one."""

LINE = "[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"
DATES = "%Y-%m-%d %H:%M:%S %z"
