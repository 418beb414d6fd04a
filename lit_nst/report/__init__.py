"""Tensors and records → contact sheet, comparison, collage, animation, curve, figures, table, page."""

from lit_nst.report.animation import animation
from lit_nst.report.collage import collage
from lit_nst.report.colour import brightness, high_frequency_share, histogram_distance, saturation_share, variability
from lit_nst.report.comparison import Row, comparison
from lit_nst.report.composite import paste_back
from lit_nst.report.curves import Series, bars, curve
from lit_nst.report.interval import Interval, Trend, bootstrap_mean, paired_difference, trend
from lit_nst.report.page import Claim, Heading, Picture, Table, Text, page
from lit_nst.report.quality import feature_distance, psnr, ssim, style_distance
from lit_nst.report.realism import feature_realism
from lit_nst.report.sheet import contact_sheet
from lit_nst.report.summary import human_time, summary_table

__all__ = [
    "Claim",
    "Heading",
    "Interval",
    "Picture",
    "Row",
    "Series",
    "Table",
    "Text",
    "Trend",
    "animation",
    "bars",
    "bootstrap_mean",
    "brightness",
    "collage",
    "comparison",
    "contact_sheet",
    "curve",
    "feature_distance",
    "feature_realism",
    "high_frequency_share",
    "histogram_distance",
    "human_time",
    "page",
    "paired_difference",
    "paste_back",
    "psnr",
    "saturation_share",
    "ssim",
    "style_distance",
    "summary_table",
    "trend",
    "variability",
]
