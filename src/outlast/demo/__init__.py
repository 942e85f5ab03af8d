"""The main job, in front of one's eyes."""
