/** What a stretch of an axis between two places means as a range of values. */
import type { AxisScale } from "../../src/pictures/axisScale";
import type { FieldRange } from "../../src/protocol/filterRange";

/** Digits of a limit that a mouse sets; the range editor takes any number. */
const digits = 3;

/** Beyond an end of the axis, the range is open. */
export function findRangeBetween(scale: AxisScale, a: number, b: number): FieldRange {
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  if (scale.kind === "categories") {
    const values = scale.domain.filter((value) => {
      const share = scale.toShare(value);
      return share >= low && share <= high;
    });
    return values.length === 0 ? {} : { values: values.map(String) };
  }
  const round = (share: number) => Number(scale.toNumber(share).toPrecision(digits));
  return {
    ...(low <= scale.start ? {} : { from: round(low) }),
    ...(high >= 1 ? {} : { to: round(Math.max(high, scale.start)) }),
  };
}
