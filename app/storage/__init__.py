"""Tables, migrations' ground truth, and one repository per aggregate."""
