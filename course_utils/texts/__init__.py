"""What a learner reads, in other languages than English: a catalogue each, `LANGUAGE.po` in this folder."""
