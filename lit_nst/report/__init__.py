"""Tensors and records → contact sheet, comparison, animation, figures, table."""

from lit_nst.report.animation import animation
from lit_nst.report.comparison import Row, comparison
from lit_nst.report.quality import feature_distance, psnr, ssim
from lit_nst.report.sheet import contact_sheet
from lit_nst.report.summary import human_time, summary_table

__all__ = [
    "Row",
    "animation",
    "comparison",
    "contact_sheet",
    "feature_distance",
    "human_time",
    "psnr",
    "ssim",
    "summary_table",
]
