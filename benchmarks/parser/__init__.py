"""What is measured of the parser of answers: time, guesses, and what a fuzzer finds."""
