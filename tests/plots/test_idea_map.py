from course_utils.plots import idea_map


def test_every_family_is_named_and_every_arrow_ends_at_one():
    figure = idea_map.families()
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    for name, (_, _, paper, aim) in idea_map.FAMILIES.items():
        assert name in words and paper in words and aim in words
    assert {end for arrow in idea_map._IDEAS for end in arrow[:2]} == set(idea_map.FAMILIES)
