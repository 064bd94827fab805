"""What became of votes: graded by the market, ranked, calibrated, and told to those who route and weigh."""
