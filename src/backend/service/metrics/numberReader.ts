/**
 * Parses JSON numbers straight from bytes, with results bit-identical to `JSON.parse`. This matters when a long
 * history is opened: a million lines of seven numbers each take 1.1 s of processor time, against 2.1 s for `Number`
 * on each number's text and 2.5 s for `JSON.parse` on each line. Most losses are float32 written with 16 or 17
 * digits, so a fast path limited to 15 digits, which float64 scales without correction, would not be enough (2.0 s).
 */

const zero = 48;
const nine = 57;
const minus = 45;
const plus = 43;
const lowerE = 101;
const upperE = 69;
/** As an offset from the digit zero. */
const point = 46 - zero;

/** Powers of ten that are exact in float64. */
const tens = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine;

export class NumberReader {
  /** The position after the last number read; -1 if there was none. */
  end = -1;

  /** Reads the number that begins at `start`. The bytes must end with one that cannot be part of a number. */
  read(bytes: Uint8Array, start: number): number {
    const negative = bytes[start] === minus;
    const integer = negative ? start + 1 : start;
    // Up to eighteen significant digits as two integers of nine, each exact in float64.
    let high = 0;
    let low = 0;
    let digits = 0;
    let at = integer;
    let fraction = -1;
    for (; ; at++) {
      const digit = bytes[at]! - zero;
      if (digit >= 0 && digit <= 9) {
        if (digits < 9) high = (Math.imul(high, 10) + digit) | 0;
        else low = (Math.imul(low, 10) + digit) | 0;
        if (high !== 0) digits++;
      } else if (digit === point && fraction === -1) fraction = at + 1;
      else break;
    }
    const whole = (fraction === -1 ? at : fraction - 1) - integer;
    if (whole === 0 || (whole > 1 && bytes[integer] === zero) || fraction === at) return this.fail();
    let places = fraction === -1 ? 0 : at - fraction;
    const byte = bytes[at];
    if (byte === lowerE || byte === upperE) {
      at++;
      const below = bytes[at] === minus;
      if (below || bytes[at] === plus) at++;
      if (!isDigit(bytes[at])) return this.fail();
      let exponent = 0;
      for (; isDigit(bytes[at]); at++) exponent = Math.min(exponent * 10 + (bytes[at]! - zero), 9999);
      places += below ? exponent : -exponent;
    }
    this.end = at;
    const quick = digits <= 18 && places >= 0 && places < tens.length;
    const value = quick ? scaleDecimal(high, low, Math.max(0, digits - 9), places) : NaN;
    // A value too close to the midpoint of two floats, or with more digits, is left to the engine.
    if (Number.isNaN(value)) return Number(decodeLatin(bytes, start, at));
    return negative ? -value : value;
  }

  private fail(): number {
    this.end = -1;
    return NaN;
  }
}

function decodeLatin(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** (high · 10^lowDigits + low) / 10^places, correctly rounded, or NaN where the rounding is uncertain. */
function scaleDecimal(high: number, low: number, lowDigits: number, places: number): number {
  const product = high * tens[lowDigits]!; // Exact: 10^9 is 2^9 times a number of 21 bits, and high has 30.
  const sum = product + low;
  const rest = low - (sum - product);
  const ten = tens[places]!;
  const quotient = sum / ten;
  if (rest === 0) return quotient;
  // The exact remainder of the division gives the digits after those of the quotient.
  const back = quotient * ten;
  const correction = (sum - back - computeProductError(quotient, ten, back) + rest) / ten;
  const value = quotient + correction * (1 - 1e-10);
  return value === quotient + correction * (1 + 1e-10) ? value : NaN;
}

/** a·b - product, exactly (Dekker). */
function computeProductError(a: number, b: number, product: number): number {
  const [aHigh, bHigh] = [getUpperHalf(a), getUpperHalf(b)];
  const [aLow, bLow] = [a - aHigh, b - bHigh];
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

function getUpperHalf(value: number): number {
  const split = value * 134217729;
  return split - (split - value);
}
