"""Made-up names, places and titles; some contain awkward characters on purpose."""

from __future__ import annotations

FIRST_NAMES = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Eun-ji",
    "Fátima",
    "Grace",
    "Hélène",
    "山田",
    "O'Neil",
)
LAST_NAMES = (
    "Sample",
    "Østergård",
    "Ng",
    "van der Tuin",
    "Müller",
    "O\u2019Brien",
    "García",
    "李",
    "Nowak",
)
CITIES = (
    ("Albany", "NY", "12207"),
    ("Saint-Étienne", None, "42000"),
    ("Köln", None, "50667"),
    ("Portland", "OR", "97201"),
    ("São Paulo", "SP", "01310-100"),
    ("Łódź", None, "90-001"),
    ("Springfield", "IL", "00501"),
)
COUNTRIES = (
    "United States",
    "France",
    "Germany",
    "United States",
    "Brazil",
    "Poland",
    "United States",
)
COUNTRY_CODES = ("US", "FR", "DE", "US", "BR", "PL", "US")
REGIONS = (
    "Northeast",
    'Auvergne-Rhône-Alpes, "AuRA"',
    "Nordrhein-Westfalen",
    None,
    "Sudeste\nGrande São Paulo",
    "łódzkie",
    None,
)
VERBS = ("Watch", "Share", "Rate", "Scan", "Visit", "Review", "Invite", "Collect")
THINGS = (
    "the trailer",
    "a recipe",
    "our store",
    "the app",
    "a café",
    "a friend",
    "the quiz",
    "a “deal”",
)
PRIZES = (
    "5 EUR voucher",
    "Tote bag",
    "Mug",
    "Concert tickets",
    "Free coffee ☕",
    "T-shirt",
    "Gift card",
)
COLORS = ("red", "blue", "grün", "black")
SIZES = ("S", "M", "L", "XL")
DESCRIPTIONS = (
    "Once a day, every day.",
    "<p>Earn <b>double</b> points &amp; more</p>",
    "Línea uno\nline two\twith a tab",
    'Say "hello" \\ goodbye — 🎉',
)
ACTION_TAG = "<script>track('☃', \"a&b\");</script>"
CHANNELS = ((1, "Ad hoc points"), (7, "Mobile app"), (26, "Web partner site activity"))
CATEGORIES = ((1, "Share"), (2, "Socialize"), (3, "Interact"), (4, "Buy"))
TYPES = ((4, "Tickets"), (5, "Twitter"), (7, "Your Site"), (8, "Code Redemption"))
PERIODS = (
    (2, "One calendar day"),
    (4, "One calendar week"),
    (5, "Lifetime"),
    (6, "One calendar month"),
)
REWARD_CATEGORIES = ((14, "Vouchers"), (15, "Apparel"), (16, "Experiences"))
SEGMENTS = (("EU members", 31), ("Früh­aufsteher", 32), ("VIP", 33))
SCAN_RESULTS = (
    ("AWARDED", "Points awarded."),
    ("RECEIPT_UNREADABLE", "We could not read your receipt."),
    ("NO_PRODUCTS", "No products found."),
    ("DUPLICATE_SUBMISSION", "You sent this one before."),
    ("INVALID_STORE", "This store does not take part."),
    ("NO_MATCHING_PRODUCTS_FOUND", "No matching products."),
)
TIERS = (
    ("Bronze", 0, 999),
    ("Silver", 1000, 4999),
    ("Gold", 5000, 19_999),
    ("Platinum", 20_000, None),
)
