"""Shapes: how somebody's code stores and hands over what the documented equations are about, declared once."""
