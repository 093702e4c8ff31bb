"""What the reducers' compiled loops do, as Triton kernels, which read activations where the model left them."""

from __future__ import annotations

import triton
import triton.language as tl

from neurogloss.reducers.maxima_histogram import FIRST, N_BINS, SHIFT
from neurogloss.reducers.value_rows import BIAS, LEADING_BIT, LEAST_POWER, MOST_POWER

ROW_BITS: tl.constexpr = tl.constexpr(0x7FFFFFFF)
"""A sequence's place in a list is one number of 64 bits: its key above, and below it this, with its row taken away."""
EMPTY: tl.constexpr = tl.constexpr(-(1 << 63))
"""Slot `i` of a list holds `EMPTY + i` until it is filled; any key's place is higher."""

_FIRST: tl.constexpr = tl.constexpr(FIRST)
_N_BINS: tl.constexpr = tl.constexpr(N_BINS)
_SHIFT: tl.constexpr = tl.constexpr(SHIFT)
_BIAS: tl.constexpr = tl.constexpr(BIAS)
_LEADING_BIT: tl.constexpr = tl.constexpr(LEADING_BIT)
_LEAST_POWER: tl.constexpr = tl.constexpr(LEAST_POWER)
_MOST_POWER: tl.constexpr = tl.constexpr(MOST_POWER)
_TO_WHOLE: tl.constexpr = tl.constexpr(1.5 * 2**23)
"""Added to a float32 and taken away again, it leaves the nearest whole number, the even one of two."""


@triton.jit
def summarize(
    activations,  # [seq pos unit], of any float
    signs,  # float32 [unit]
    present,  # int64 [seq], as are these two in `CountedBatch`
    positions,  # int64 [seq place]
    lengths,  # int64 [seq]
    n_places,
    width,  # positions of `activations`
    n_units,
    maxima,  # float32 [seq unit], written, as are all below
    minima,
    firing,  # int32 [seq unit]: twice the firing tokens, and 1 more where the maximum is at position 0 and fires
    means,
    squares,  # float32 [seq unit]: sums of the deviations' powers
    cubes,
    fourths,
    UNITS: tl.constexpr,
    AT_ONCE: tl.constexpr,
):
    """Summarizes each sequence, as `neurogloss.reducers.summarizing.summarize` does."""
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    seq = tl.program_id(1).to(tl.int64)
    inside = units < n_units
    length = tl.load(lengths + seq)
    sign = tl.load(signs + units, mask=inside, other=1.0)
    start = activations + tl.load(present + seq) * width * n_units + units
    own_positions = positions + seq * n_places

    shift = tl.zeros((UNITS,), tl.float32)
    for k in tl.static_range(AT_ONCE):
        of_first = tl.load(start + tl.load(own_positions + k) * n_units, mask=inside, other=0.0)
        shift += of_first.to(tl.float32) * sign * (k < length).to(tl.float32)
    shift = shift / tl.minimum(length, AT_ONCE).to(tl.float32)
    highest = tl.full((UNITS,), float("-inf"), tl.float32)
    lowest = tl.full((UNITS,), float("inf"), tl.float32)
    fires = tl.zeros((UNITS,), tl.float32)
    first = tl.zeros((UNITS,), tl.float32)
    square = tl.zeros((UNITS,), tl.float32)
    cube = tl.zeros((UNITS,), tl.float32)
    fourth = tl.zeros((UNITS,), tl.float32)
    for begin in range(0, n_places, AT_ONCE):
        for k in tl.static_range(AT_ONCE):  # unrolled, so that their values are on the way together
            at = tl.load(own_positions + begin + k)
            weight = (begin + k < length).to(tl.float32)
            values = tl.load(start + at * n_units, mask=inside, other=0.0).to(tl.float32) * sign
            highest = tl.maximum(highest, values)
            lowest = tl.minimum(lowest, values)
            fires += tl.where(values > 0, weight, 0.0)
            difference = (values - shift) * weight
            of_two = difference * difference
            first += difference
            square += of_two
            cube += of_two * difference
            fourth += of_two * of_two

    # From powers of the differences to the shift to those of the differences to the sequence's mean.
    n = length.to(tl.float64)
    offset = first.to(tl.float64) / n
    own2, own3, own4 = square.to(tl.float64), cube.to(tl.float64), fourth.to(tl.float64)
    shifted = n * offset * offset * offset
    own4 = own4 - offset * (4 * own3 - 6 * offset * own2 + 3 * shifted)
    own3 = own3 - 3 * offset * own2 + 2 * shifted
    own2 = own2 - n * offset * offset
    at_start = tl.load(start, mask=inside, other=0.0).to(tl.float32) * sign
    first_fires = (tl.load(own_positions) == 0) & (highest > 0) & (at_start == highest)
    out = seq * n_units + units
    tl.store(maxima + out, highest, mask=inside)
    tl.store(minima + out, lowest, mask=inside)
    tl.store(firing + out, 2 * fires.to(tl.int32) + first_fires.to(tl.int32), mask=inside)
    tl.store(means + out, (shift + offset).to(tl.float32), mask=inside)
    tl.store(squares + out, own2.to(tl.float32), mask=inside)
    tl.store(cubes + out, own3.to(tl.float32), mask=inside)
    tl.store(fourths + out, own4.to(tl.float32), mask=inside)


@triton.jit
def weigh(
    hashed,  # int64 [seq]: bits of `seeded_hash.mixed`
    salts,  # int64 [unit]
    maxima,  # float32 [seq unit]
    n_units,
    keys,  # float32 [seq unit], written
    UNITS: tl.constexpr,
):
    """Writes the keys of samples by importance, as `importance.importance_keys` does."""
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    seq = tl.program_id(1).to(tl.int64)
    inside = units < n_units
    x = (tl.load(hashed + seq) ^ tl.load(salts + units, mask=inside, other=0)).to(tl.uint64, bitcast=True)
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB
    x = x ^ (x >> 31)
    uniform = ((x >> 12).to(tl.float64) + 0.5) * 2.0**-52
    weight = tl.load(maxima + seq * n_units + units, mask=inside, other=0.0)
    key = tl.log(uniform) / tl.where(weight > 0, weight, 1.0).to(tl.float64)
    key = tl.where(weight > 0, key.to(tl.float32), float("-inf"))
    tl.store(keys + seq * n_units + units, key, mask=inside)


@triton.jit(do_not_specialize=["n_before", "n_seqs"])
def merge(
    lengths,  # int64 [seq]
    n_before,  # tokens that `moments` holds
    n_seqs,
    n_units,
    maxima,  # [seq unit], as `summarize` writes them
    minima,
    firing,
    means,
    squares,
    cubes,
    fourths,
    moments,  # float64 [4 unit], as in `Moments`
    minimum,  # float32 [unit]
    maximum,
    firing_tokens,  # int64 [unit]
    firing_sequences,
    first_position,
    histogram,  # int32 [unit bin], as in `MaximaHistogram`
    UNITS: tl.constexpr,
    SEQS: tl.constexpr,
):
    """Takes the sequences of a batch into the moments, with the formulas of `Moments.merge`, and into the histogram."""
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    inside = units < n_units
    n = n_before.to(tl.float64)
    mean = tl.load(moments + units, mask=inside, other=0.0)
    m2 = tl.load(moments + n_units + units, mask=inside, other=0.0)
    m3 = tl.load(moments + 2 * n_units + units, mask=inside, other=0.0)
    m4 = tl.load(moments + 3 * n_units + units, mask=inside, other=0.0)
    lowest = tl.load(minimum + units, mask=inside, other=0.0)
    highest = tl.load(maximum + units, mask=inside, other=0.0)
    tokens = tl.load(firing_tokens + units, mask=inside, other=0)
    sequences = tl.load(firing_sequences + units, mask=inside, other=0)
    at_first = tl.load(first_position + units, mask=inside, other=0)
    for begin in range(0, n_seqs, SEQS):
        seqs = begin + tl.arange(0, SEQS)
        there = seqs < n_seqs
        read = there[:, None] & inside[None, :]
        at = seqs[:, None].to(tl.int64) * n_units + units[None, :]
        lengths_of = tl.load(lengths + seqs, mask=there, other=0).to(tl.float64)
        length = lengths_of[:, None]
        own_mean = tl.load(means + at, mask=read, other=0.0).to(tl.float64)
        own2 = tl.load(squares + at, mask=read, other=0.0).to(tl.float64)
        own3 = tl.load(cubes + at, mask=read, other=0.0).to(tl.float64)
        own4 = tl.load(fourths + at, mask=read, other=0.0).to(tl.float64)
        # First of these sequences together.
        added = tl.sum(lengths_of, 0)
        mean_b = tl.sum(length * own_mean, 0) / added
        apart = own_mean - mean_b[None, :]
        m2_b = tl.sum(own2 + length * apart * apart, 0)
        m3_b = tl.sum(own3 + apart * (3 * own2 + length * apart * apart), 0)
        m4_b = tl.sum(own4 + apart * (4 * own3 + apart * (6 * own2 + length * apart * apart)), 0)
        both = n + added
        delta = mean_b - mean
        step = delta / both
        m4 += m4_b + delta * step * step * step * (n * added * (n * n - n * added + added * added))
        m4 += 6 * step * step * (n * n * m2_b + added * added * m2) + 4 * step * (n * m3_b - added * m3)
        m3 += m3_b + delta * step * step * (n * added * (n - added)) + 3 * step * (n * m2_b - added * m2)
        m2 += m2_b + delta * step * (n * added)
        mean += step * added
        n = both

        own_maxima = tl.load(maxima + at, mask=read, other=float("-inf"))
        own_firing = tl.load(firing + at, mask=read, other=0)
        highest = tl.maximum(highest, tl.max(own_maxima, 0))
        lowest = tl.minimum(lowest, tl.min(tl.load(minima + at, mask=read, other=float("inf")), 0))
        tokens += tl.sum(own_firing >> 1, 0)
        sequences += tl.sum((own_maxima > 0).to(tl.int32), 0)
        at_first += tl.sum(own_firing & 1, 0)
        number = (own_maxima.to(tl.int32, bitcast=True) >> _SHIFT) - _FIRST + 1
        number = tl.minimum(tl.maximum(number, 0), _N_BINS - 1)
        tl.atomic_add(histogram + units[None, :].to(tl.int64) * _N_BINS + number, 1, mask=read, sem="relaxed")
    tl.store(moments + units, mean, mask=inside)
    tl.store(moments + n_units + units, m2, mask=inside)
    tl.store(moments + 2 * n_units + units, m3, mask=inside)
    tl.store(moments + 3 * n_units + units, m4, mask=inside)
    tl.store(minimum + units, lowest, mask=inside)
    tl.store(maximum + units, highest, mask=inside)
    tl.store(firing_tokens + units, tokens, mask=inside)
    tl.store(firing_sequences + units, sequences, mask=inside)
    tl.store(first_position + units, at_first, mask=inside)


@triton.jit(do_not_specialize=["n_seqs"])
def offer(
    activations,  # [seq pos unit], of any float
    signs,  # float32 [unit]
    present,  # int64 [seq]
    counted,  # uint8 [seq pos]: of the present sequences
    keys,  # float32 [seq unit]
    rows,  # int32 [seq]
    splits,  # int64 [seq]: the list that a sequence is offered to; -1 for none
    maxima,  # float32 [seq unit]
    minima,
    n_seqs,
    width,  # positions of `activations`
    n_units,
    places,  # int64 [unit split slot], changed
    values,  # int16 [unit split slot pos], changed
    exponents,  # int8 [unit split slot], changed
    length,  # positions of `values`
    size,  # slots
    SLOTS: tl.constexpr,  # a power of two, as are those below
    UNITS: tl.constexpr,
    SEQS: tl.constexpr,
    POSITIONS: tl.constexpr,
):
    """Offers the sequences of a batch to one list of each unit and split, as `BestSequences.offer` does, and writes the
    values of those that are taken in as `value_rows.write_rows` does. The slots are in no order.
    """
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    split = tl.program_id(1)
    inside = units < n_units
    slots = tl.arange(0, SLOTS)
    lists = (units.to(tl.int64) * tl.num_programs(1) + split) * size
    is_slot = inside[:, None] & (slots < size)[None, :]
    # What is no slot is never the lowest.
    held = tl.load(places + lists[:, None] + slots[None, :], mask=is_slot, other=0x7FFFFFFFFFFFFFFF)
    sign = tl.load(signs + units, mask=inside, other=1.0)
    changed = False
    for begin in range(0, n_seqs, SEQS):
        seqs = begin + tl.arange(0, SEQS)
        there = seqs < n_seqs
        offered = there & (tl.load(splits + seqs, mask=there, other=-1) == split)
        if tl.max(offered.to(tl.int32), 0) > 0:
            read = inside[:, None] & offered[None, :]
            at = seqs[None, :].to(tl.int64) * n_units + units[:, None]
            key = tl.load(keys + at, mask=read, other=float("-inf"))
            bits = (key + 0.0).to(tl.int32, bitcast=True)  # -0.0 is 0.0
            ordered = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.int64)
            row = tl.load(rows + seqs, mask=there, other=0).to(tl.int64)
            place = (ordered << 32) | (row ^ ROW_BITS)[None, :]
            place = tl.where(key > float("-inf"), place, EMPTY)
            best = tl.max(place, 1)
            lowest = tl.min(held, 1)
            takes = best > lowest
            while tl.max(takes.to(tl.int32), 0) > 0:
                changed = True
                from_seq = (place == best[:, None]) & takes[:, None]
                to_slot = (held == lowest[:, None]) & takes[:, None]
                seq = begin + tl.sum(tl.where(from_seq, tl.arange(0, SEQS)[None, :], 0), 1)
                slot = lists + tl.sum(tl.where(to_slot, slots[None, :], 0), 1)
                held = tl.where(to_slot, best[:, None], held)
                place = tl.where(from_seq, EMPTY, place)

                own = seq.to(tl.int64) * n_units + units
                high = tl.load(maxima + own, mask=takes, other=0.0)
                low = tl.load(minima + own, mask=takes, other=0.0)
                largest = tl.maximum(tl.abs(high), tl.abs(low)).to(tl.int32, bitcast=True)
                exponent = tl.minimum(tl.maximum((largest >> 23) - _BIAS, _LEAST_POWER), _MOST_POWER)
                scale = ((-exponent + _BIAS + _LEADING_BIT) << 23).to(tl.float32, bitcast=True) * sign
                tl.store(exponents + slot, (exponent - _LEADING_BIT).to(tl.int8), mask=takes)
                from_row = tl.load(present + seq, mask=takes, other=0) * width
                for first in range(0, length, POSITIONS):
                    pos = first + tl.arange(0, POSITIONS)
                    counts = takes[:, None] & (pos < width)[None, :]
                    counts = (
                        tl.load(counted + seq[:, None].to(tl.int64) * width + pos[None, :], mask=counts, other=0) != 0
                    )
                    value = tl.load(
                        activations + (from_row[:, None] + pos[None, :]) * n_units + units[:, None],
                        mask=counts,
                        other=0.0,
                    )
                    whole = (value.to(tl.float32) * scale[:, None] + _TO_WHOLE) - _TO_WHOLE
                    whole = tl.minimum(whole, 32767.0).to(tl.int16)
                    written = takes[:, None] & (pos < length)[None, :]
                    tl.store(values + slot[:, None] * length + pos[None, :], whole, mask=written)
                best = tl.max(place, 1)
                lowest = tl.min(held, 1)
                takes = best > lowest
    if changed:
        tl.store(places + lists[:, None] + slots[None, :], held, mask=is_slot)
