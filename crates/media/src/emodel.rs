//! How good a connection sounds, estimated from what RTCP knows: the E-model (ITU-T G.107), with its defaults for all
//! that a telephone set decides, so that only delay, codec and loss remain.

use crate::Codec;

/// R of a connection without fault (G.107's default values).
const BEST: f32 = 93.2;
/// The range of burst ratios that the model was made for (G.107 table 3).
const BURST_RATIOS: std::ops::RangeInclusive<f32> = 1.0..=8.0;

/// What a codec makes of a clean network and of loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Equipment {
    /// Its impairment without loss (Ie).
    ie: f32,
    /// Its robustness against loss (Bpl).
    bpl: f32,
}

impl Equipment {
    /// Of a codec with a concealment of losses, which is what phones and our own ear have.
    ///
    /// G.711: G.113 appendix I. The others are our approximations: on the narrow-band scale of G.107 nothing sounds
    /// better than G.711, so all begin where it does. L16 and Opus are taken to be as robust as G.711 (ITU-T has
    /// published no values for them), G.722, whose predictor remembers a loss, to be half as robust.
    pub(crate) const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma | Codec::L16 | Codec::Opus => Self { ie: 0.0, bpl: 25.1 },
            Codec::G722 => Self { ie: 0.0, bpl: 13.0 },
        }
    }
}

/// How packets were lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loss {
    /// Share of packets lost, in per cent.
    pub(crate) percent: f32,
    /// Mean length of a run of losses over that of random loss (BurstR); 1 at random, more in bursts.
    pub(crate) burst_ratio: f32,
}

impl Loss {
    /// Each packet alike likely.
    pub(crate) const fn random(percent: f32) -> Self {
        Self { percent, burst_ratio: 1.0 }
    }
}

/// R, from 0 to 93.2. `delay_ms` is one way, mouth to ear.
pub(crate) fn rating(equipment: Equipment, delay_ms: f32, loss: Loss) -> f32 {
    (BEST - delay_impairment(delay_ms) - loss_impairment(equipment, loss)).max(0.0)
}

/// The score that people would give (G.107 annex B), 1 to 4.5.
pub(crate) fn mos(rating: f32) -> f32 {
    if rating >= 100.0 {
        return 4.5;
    }
    // Below R = 6.5 the polynomial dips under 1, which is no score.
    let r = rating.max(0.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// Idd of G.107 §7.4: conversations suffer from delay above 100 ms. Echo is taken for cancelled.
fn delay_impairment(delay_ms: f32) -> f32 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// Ie-eff of G.107 §7.5.
fn loss_impairment(Equipment { ie, bpl }: Equipment, loss: Loss) -> f32 {
    let percent = loss.percent.clamp(0.0, 100.0);
    let ratio = loss.burst_ratio.clamp(*BURST_RATIOS.start(), *BURST_RATIOS.end());
    ie + (95.0 - ie) * percent / (percent / ratio + bpl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f32, published: f32, within: f32) {
        assert!((value - published).abs() <= within, "{value} is not {published}");
    }

    #[test]
    fn a_connection_without_fault_has_the_published_rating_and_score() {
        let best = rating(Equipment::of(Codec::Pcmu), 0.0, Loss::random(0.0));
        near(best, 93.2, 0.001);
        near(mos(best), 4.41, 0.005);
    }

    #[test]
    fn scores_are_those_of_annex_b() {
        // G.107 table B.1.
        for (r, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            near(mos(r), score, 0.007);
        }
        assert_eq!((mos(0.0), mos(4.0), mos(100.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn delay_costs_what_the_formula_of_idd_gives() {
        // X = 1 at 200 ms and X = 2 at 400 ms.
        near(delay_impairment(100.0), 0.0, 0.0);
        near(
            delay_impairment(200.0),
            25.0 * (2_f32.powf(1.0 / 6.0) - 3.0 * (730.0_f32 / 729.0).powf(1.0 / 6.0) + 2.0),
            1e-3,
        );
        near(delay_impairment(200.0), 3.04, 0.02);
        near(delay_impairment(400.0), 24.12, 0.1);
    }

    #[test]
    fn loss_costs_what_g_113_says_of_g_711() {
        let g711 = Equipment::of(Codec::Pcmu);
        // Ie-eff = 95 Ppl / (Ppl + 25.1).
        for (percent, ie_eff) in [(1.0, 3.64), (2.0, 7.01), (5.0, 15.78), (10.0, 27.07)] {
            near(loss_impairment(g711, Loss::random(percent)), ie_eff, 0.01);
        }
        near(mos(rating(g711, 0.0, Loss::random(5.0))), 3.93, 0.02);
        // Without concealment (Bpl 4.3) 5 % are worse than any phone of today.
        near(loss_impairment(Equipment { ie: 0.0, bpl: 4.3 }, Loss::random(5.0)), 51.08, 0.01);
        // G.729A: Ie 11, Bpl 19.
        near(loss_impairment(Equipment { ie: 11.0, bpl: 19.0 }, Loss::random(2.0)), 19.0, 0.01);
    }

    #[test]
    fn bursts_are_worse_and_nonsense_stays_on_the_scale() {
        let g711 = Equipment::of(Codec::Pcmu);
        let at = |percent, burst_ratio| rating(g711, 50.0, Loss { percent, burst_ratio });
        assert!(at(5.0, 4.0) < at(5.0, 1.0));
        assert_eq!(at(5.0, 0.1), at(5.0, 1.0));
        for r in [at(500.0, 1e9), at(-3.0, -1.0), rating(g711, 1e9, Loss::random(100.0))] {
            assert!((0.0..=BEST).contains(&r) && (1.0..=4.5).contains(&mos(r)), "{r}");
        }
    }
}
