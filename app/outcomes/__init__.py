"""What decisions were worth once the market had spoken."""
