"""Writes functions/*.bin: arguments and correctly rounded values of the functions that dtrain computes by itself.

    python3 functions.py                                 # 1,000 points each, as they stand beside this file
    python3 functions.py --points 1000000 --into FOLDER  # then: DTRAIN_FUNCTION_POINTS=FOLDER launch/test.sh --filter DoubleFunctionsTests

mpmath computes with 300 bits and rounds to the nearest Double. A file is a sequence of little-endian Doubles, for each point
its arguments and behind them the value. Results that are denormal, which count as zero in dtrain, are left out.
"""

import argparse
import pathlib

import mpmath
import numpy

mpmath.mp.prec = 300


def around(generator, count, centre, low, high):
    """Numbers on both sides of one, at distances of all magnitudes from e^low to e^high."""
    return centre + generator.choice([-1, 1], count) * numpy.exp(generator.uniform(low, high, count))


def arguments(generator, n):
    half, quarter = n // 2, n // 4
    yield "exponential", mpmath.exp, [
        numpy.concatenate(
            [
                generator.uniform(-708, 709.7, half),
                generator.uniform(-1, 1, quarter),
                -numpy.exp(generator.uniform(-40, 6, quarter)),
            ]
        )
    ]
    yield "logarithm", mpmath.log, [
        numpy.concatenate(
            [
                numpy.exp(generator.uniform(-700, 700, half)),
                generator.uniform(0.5, 2, quarter),
                around(generator, quarter, 1, -36, -1),
            ]
        )
    ]
    yield "logarithm-of-one-plus", mpmath.log1p, [
        numpy.concatenate([generator.uniform(0, 1, half), numpy.exp(generator.uniform(-300, 0, half))])
    ]
    yield "cosine-of-pi-times", mpmath.cospi, [
        numpy.concatenate(
            [
                generator.uniform(0, 2, half),
                generator.uniform(-9, 9, quarter),
                around(generator, quarter, 0.5, -36, -1),
            ]
        )
    ]
    # Bases and exponents as optimizers and schedules have them, and of any size.
    yield "power", mpmath.power, [
        numpy.concatenate(
            [
                generator.choice([0.9, 0.95, 0.99, 0.999, 0.9999, 0.5, 0.1, 1.1], half),
                numpy.exp(generator.uniform(-5, 5, half)),
            ]
        ),
        numpy.concatenate(
            [numpy.round(numpy.exp(generator.uniform(0, 12, half))), generator.uniform(-140, 140, half)]
        ),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path(__file__).parent / "functions")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.Generator(numpy.random.PCG64(20261127))
    for name, function, columns in arguments(generator, options.points):
        rows = []
        for point in zip(*columns):
            value = float(function(*[mpmath.mpf(float(x)) for x in point]))
            if value == 0 and name == "cosine-of-pi-times" or 2.3e-308 < abs(value) < float("inf"):
                rows.append([*point, value])
        numpy.array(rows, dtype="<f8").tofile(options.into / f"{name}.bin")
        print(name, len(rows))


if __name__ == "__main__":
    main()
