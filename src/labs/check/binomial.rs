//! Confidence intervals of the binomial distribution, for shares of random calls.

use std::ops::RangeInclusive;

/// The interval of accepted hits out of `draws`, each of which hits with probability `share`: the narrowest exact
/// two-sided interval of the binomial distribution. The probability of fewer hits is at most `error / 2`, and so is that of
/// more hits.
pub(super) fn accepted(draws: u32, share: f64, error: f64) -> RangeInclusive<u32> {
    if share <= 0.0 {
        return 0..=0;
    }
    if share >= 1.0 {
        return draws..=draws;
    }
    let weights = weights(draws, share);
    let tail = error / 2.0 * weights.iter().sum::<f64>();
    let low = tail_length(weights.iter(), tail).min(draws);
    let high = draws.saturating_sub(tail_length(weights.iter().rev(), tail));
    low..=high.max(low)
}

/// Weights proportional to the probability of 0, 1, ... hits. The most likely number has weight 1 and the others follow
/// from it. Those that underflow to 0 would not change a sum.
fn weights(draws: u32, share: f64) -> Vec<f64> {
    let odds = share / (1.0 - share);
    // The factor from `hits` to one more hit.
    let step = |hits: u32| f64::from(draws - hits) / f64::from(hits + 1) * odds;
    let likeliest = (0..draws).find(|hits| step(*hits) <= 1.0).unwrap_or(draws);
    let upwards = (likeliest..draws).scan(1.0, |weight, hits| {
        *weight *= step(hits);
        Some(*weight)
    });
    let mut downwards: Vec<f64> = (0..likeliest)
        .rev()
        .scan(1.0, |weight, hits| {
            *weight /= step(hits);
            Some(*weight)
        })
        .collect();
    downwards.reverse();
    downwards.into_iter().chain([1.0]).chain(upwards).collect()
}

/// How many of the first weights have a sum of at most `max`.
fn tail_length<'a>(weights: impl Iterator<Item = &'a f64>, max: f64) -> u32 {
    let mut sum = 0.0;
    let within = weights.take_while(|weight| {
        sum += **weight;
        sum <= max
    });
    u32::try_from(within.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Twice the exact probability of fewer than `hits` hits with probability `part / of`, in units of `1 / of^draws`.
    fn twice_below(hits: u32, draws: u32, part: u128, of: u128) -> u128 {
        let mut choose = 1;
        let mut sum = 0;
        for k in 0..hits {
            sum += choose * part.pow(k) * (of - part).pow(draws - k);
            choose = choose * u128::from(draws - k) / u128::from(k + 1);
        }
        2 * sum
    }

    #[test]
    fn known_intervals() {
        // Ten throws of a fair coin: 0 or 10 heads have the probability 2/1024, 1 or 9 heads 20/1024.
        assert_eq!(accepted(10, 0.5, 0.01), 1..=9);
        assert_eq!(accepted(10, 0.5, 2.01 / 1024.0), 1..=9);
        assert_eq!(accepted(10, 0.5, 1.99 / 1024.0), 0..=10);
        assert_eq!(accepted(10, 0.5, 0.05), 2..=8);
        // 1000 calls with a share of 10 % and 50 %.
        assert_eq!(accepted(1000, 0.1, 1e-6), 57..=149);
        assert_eq!(accepted(1000, 0.5, 1e-6), 423..=577);
        assert_eq!((accepted(1000, 0.0, 1e-6), accepted(1000, 1.0, 1e-6)), (0..=0, 1000..=1000));
        assert_eq!(accepted(0, 0.5, 1e-6), 0..=0);
    }

    proptest! {
        #[test]
        fn the_interval_keeps_the_error_and_is_the_narrowest(
            draws in 1_u32..=18, of in 2_u128..=9, part in 1_u128..=8, one_in in 1_u128..1_000_000,
        ) {
            prop_assume!(part < of);
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let (share, error) = (part as f64 / of as f64, 1.0 / one_in as f64);
            let found = accepted(draws, share, error);
            // Exact integers. If a sum equals the error, rounding decides.
            let whole = of.pow(draws);
            let kept = |twice: u128| twice * one_in <= whole;
            let tie = |twice: u128| twice * one_in == whole;
            for (low, part) in [(*found.start(), part), (draws - *found.end(), of - part)] {
                let below = twice_below(low, draws, part, of);
                prop_assert!(kept(below), "{found:?}");
                let narrower = twice_below(low + 1, draws, part, of);
                let meets = *found.start() == *found.end();
                prop_assert!(meets || !kept(narrower) || tie(narrower), "{found:?}");
            }
        }

        #[test]
        fn misses_mirror_hits_and_the_expected_number_is_accepted(
            draws in 1_u32..3000, thousandths in 1_u32..1000, exponent in 1_i32..12,
        ) {
            let (share, error) = (f64::from(thousandths) / 1000.0, 10_f64.powi(-exponent));
            let hits = accepted(draws, share, error);
            let misses = accepted(draws, 1.0 - share, error);
            // 1 - share is rounded, so a sum close to the error may be on either side of it.
            prop_assert!(misses.start().abs_diff(draws - hits.end()) <= 1, "{hits:?} {misses:?}");
            prop_assert!(misses.end().abs_diff(draws - hits.start()) <= 1, "{hits:?} {misses:?}");
            let expected = share * f64::from(draws);
            prop_assert!(f64::from(*hits.start()) <= expected + 1.0 && expected - 1.0 <= f64::from(*hits.end()));
            let wider = accepted(draws, share, error / 10.0);
            prop_assert!(wider.start() <= hits.start() && hits.end() <= wider.end());
        }
    }
}
