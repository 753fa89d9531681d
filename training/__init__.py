"""Recipes, networks, losses, the training loop and evaluation. The only room that imports torch and torchvision."""
