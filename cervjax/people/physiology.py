"""What ANSUR II does not hold: head mass, strength and range of motion, with their sources."""

from dataclasses import dataclass

Pair = tuple[float, float]
"""Women, men."""


@dataclass(frozen=True)
class Physiology:
    """Head mass, strength and range of motion of a population; pairs are (women, men).

    Attributes:
        head_mass_per_weight, head_mass_per_stature: kg per kg, kg per m; slopes for men of
            Zatsiorsky & Seluyanov 1983 (Biomechanics VIII-B, 1152), used for both sexes.
        head_mass_residual: kg, standard deviation about that regression (same source).
        men_head_mass_intercept: kg, the same regression.
        women_head_mass_share: of body mass (Zatsiorsky, Seluyanov & Chugunova 1990, as in
            de Leva 1996); sets the intercept of women so that their mean head has this share.
        flexor_strength, extensor_strength: of the mean person, over HYOID's muscles, which give
            the strength measured in men (Vasavada 2001). Women at equal size: flexion -32 %,
            extension -20 % (Vasavada 2008).
        strength_sd: of the logarithm of overall strength, and
        direction_sd: of each group's beside it; together the coefficient of variation of 0.2 of
            Vasavada 2001 (0.17 to 0.27), and a correlation of flexion with extension of 0.76.
        decline_from, decline: years, and loss of strength per year after that age. Men lose
            strength with age and women do not, to about sixty (Jordan 1999; Salo 2006; Chiu
            2002); slope of muscle in general, 12 to 15 % a decade from the fifth (Hurley 1995).
        range_mean, range_sd: rad, flexion plus extension, both sides of lateral bending, both of
            rotation, of healthy adults near 28 years (Ferrario 2002; Niewiadomski 2019).
        range_loss: rad per year beyond 28, each of the three (Chen 1999).
    """

    head_mass_per_weight: float = 0.0171
    head_mass_per_stature: float = 1.43
    head_mass_residual: float = 0.322
    men_head_mass_intercept: float = 1.296
    women_head_mass_share: float = 0.0668
    flexor_strength: Pair = (0.68, 1.0)
    extensor_strength: Pair = (0.80, 1.0)
    strength_sd: float = 0.18
    direction_sd: float = 0.10
    decline_from: Pair = (60.0, 45.0)
    decline: Pair = (0.012, 0.012)
    range_mean: tuple[float, float, float] = (2.269, 1.466, 2.618)
    range_sd: tuple[float, float, float] = (0.262, 0.209, 0.227)
    range_loss: float = 0.0070
