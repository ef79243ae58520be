"""The newer cards, models and prices: complete, with sources, and in line with the older tables."""

from course_utils.measure import cost, market


def test_the_newer_ones_come_beside_the_older():
    assert {"T4", "H100 80 GB", "H200", "B200"} <= market.accelerators().keys()
    assert list(market.models())[-1] == "llama-2-70b"
    assert all(card.source for card in market.accelerators().values())


def test_the_newer_model_has_the_published_count():
    assert cost.parameters(market.models()["llama-3.1-8b"]) == 8_030_261_248


def test_each_price_has_a_card_a_month_and_a_source():
    prices = market.providers()
    assert set(prices["card"]) <= market.accelerators().keys()
    assert (prices["low"] <= prices["high"]).all()
    assert prices["seen"].str.fullmatch(r"\d{4}-\d{2}").all() and prices["source"].notna().all()
