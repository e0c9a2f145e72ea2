"""From hits to findings: which instruction, what became of the file, where the secret entered."""
