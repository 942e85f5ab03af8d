"""The status of tasks for the users of an app: `outlast.router` and `outlast.accepted`."""
