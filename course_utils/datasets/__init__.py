"""The course's datasets: how each is written offline, under the columns of its twin on the Hub."""
