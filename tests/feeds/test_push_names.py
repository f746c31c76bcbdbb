"""What the name of a file says: its feed, its program, its day."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from tap_crowdtwist.files.naming import BATCH_ACTIVITY, DATA_PUSH


@pytest.mark.parametrize(
    ("name", "feed", "day"),
    [
        ("2_512_PROFILE_20260310.zip", "PROFILE", "2026-03-10"),
        ("2_512_USER_PROFILE_20260310.csv", "PROFILE", "2026-03-10"),
        ("2_512_user_profile_20260310.CSV", "PROFILE", "2026-03-10"),
        ("12_my-brand_2_USER_ACTIVITY_20240229.zip", "USER_ACTIVITY", "2024-02-29"),
        ("2_512_user_redemption_20000101.zip", "USER_REDEMPTION", "2000-01-01"),
        ("2_512_POINTS_EXPIRATION_20991231.zip", "POINTS_EXPIRATION", "2099-12-31"),
        ("2_512_PROFILE_20260230.zip", None, None),
        ("2_512_PROFILE_19991231.zip", "PROFILE", "1999-12-31"),
        ("2_512_PROFILE_00010101.zip", "PROFILE", "0001-01-01"),
        ("2_512_PROFILE_00000101.zip", None, None),
        ("2_512_PROFILE_2026031.zip", None, None),
        ("2_512_PROFILE_20260310.zip.gz", None, None),
        ("2_512_PROFILES_20260310.zip", None, None),
        ("2__PROFILE_20260310.zip", None, None),
        ("512_PROFILE_20260310.zip", None, None),
        ("2_512_PROFILE_\uff12\uff10260310.zip", None, None),
    ],
)
def test_what_the_name_of_a_pushed_file_says(name: str, feed: str | None, day: str | None) -> None:
    said = DATA_PUSH.parse(name)
    assert (said and (said.feed, said.timestamp.date().isoformat())) == (feed and (feed, day))


DAY = "2_512_PROFILE_20260310.zip"


@pytest.mark.parametrize(
    ("name", "correct"),
    [
        ("2_512_PROFILE_20260310 (1).zip", DAY),
        ("2_512_PROFILE_20260310(2).zip", DAY),
        ("2_512_PROFILE_20260310 - Copy.zip", "2_512_PROFILE_20260310.zip"),
        ("2_512_PROFILE_20260310 copy 2.zip", DAY),
        ("2_512_PROFILE_20260310_0300.zip", DAY),
        ("2_512_PROFILE_202603100300.zip", DAY),
        ("2_512_PROFILE_20260310T030005Z.zip", DAY),
        ("2_512_PROFILE_20260310-03-00-05 (1).zip", DAY),
        ("2_512_PROFILE_2026-03-10.zip", DAY),
        ("2_512_PROFILE-2026.03.10.zip", DAY),
        ("2_my-brand_user_profile_2026_03_10.CSV", "2_my-brand_user_profile_20260310.CSV"),
        (DAY, None),
        ("2_512_PROFILE_2026-02-30.zip", None),
        ("2_512_PROFILE_20260310_old.zip", None),
        ("2_512_PROFILE_20260310 (1).zip.part", None),
        ("2_512_PROFILES_2026-03-10.zip", None),
        ("report 2026-03-10.zip", None),
    ],
)
def test_a_name_that_is_nearly_right_is_told_from_others(name: str, correct: str | None) -> None:
    assert DATA_PUSH.correct(name) == correct


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        (
            "activities_512_20260310235959.txt",
            datetime(2026, 3, 10, 23, 59, 59, tzinfo=timezone.utc),
        ),
        ("ACTIVITIES_512_20260310000000.TXT", datetime(2026, 3, 10, tzinfo=timezone.utc)),
        ("activities_512_20260310240000.txt", None),
        ("activities_512_20260310.txt", None),
        ("activities_512_20260310000000.csv", None),
    ],
)
def test_what_the_name_of_a_batch_file_says(name: str, moment: datetime | None) -> None:
    said = BATCH_ACTIVITY.parse(name)
    assert (said and said.timestamp) == moment
    assert said is None or said.feed == "activities"
