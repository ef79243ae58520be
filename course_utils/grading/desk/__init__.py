"""What a teacher and a learner do at the desk: check, submit, collect, grade, give back, export."""
