"""What is learned: the only room that imports torch and torchvision."""
