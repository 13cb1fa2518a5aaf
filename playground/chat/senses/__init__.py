"""What a conversation holds beside text: pictures and sound, from files to what a model reads."""
