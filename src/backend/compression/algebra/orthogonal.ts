/** Orthogonal matrices that spread values evenly over channels: Hadamard matrices where one of the size is known, else random ones. */

/** A uniform random number from 0 to 1. */
export type Random = () => number;

/**
 * Returns a Hadamard matrix [n, n], with entries of ±1, orthogonal rows, and ones in the first row; undefined if no
 * construction is known here: 2^k · m for m = 1, q + 1 with a prime q ≡ 3 (mod 4), or 2 (q + 1) with a prime q ≡ 1 (mod 4)
 * (Sylvester 1867, Paley 1933).
 */
export function createHadamard(n: number): Int8Array | undefined {
  for (let order = n, doublings = 0; ; order /= 2, doublings++) {
    if (!Number.isInteger(order)) return undefined;
    const core = order === 1 ? Int8Array.of(1) : createPaley(order);
    if (core === undefined) continue;
    let [matrix, size] = [core, order];
    for (let i = 0; i < doublings; i++, size *= 2) matrix = double(matrix, size);
    return normalizeFirstRow(matrix, n);
  }
}

/** [[H, H], [H, −H]] */
function double(h: Int8Array, n: number): Int8Array {
  return createMatrix(2 * n, (i, j) => (i >= n && j >= n ? -1 : 1) * h[(i % n) * n + (j % n)]!);
}

function createPaley(n: number): Int8Array | undefined {
  const [first, second] = [n - 1, n / 2 - 1];
  if (first % 4 === 3 && isPrime(first)) {
    // I + S with the skew-symmetric S of the residues of q, bordered by ones.
    const residue = createResidues(first);
    return createMatrix(n, (i, j) => {
      if (i === 0) return 1;
      if (j === 0) return -1;
      return i === j ? 1 : residue(j - i);
    });
  }
  if (second % 4 === 1 && isPrime(second)) {
    // Each entry c of the symmetric conference matrix of order q + 1 becomes a block of four.
    const residue = createResidues(second);
    const conference = (i: number, j: number) => (i === j ? 0 : i === 0 || j === 0 ? 1 : residue(j - i));
    return createMatrix(n, (i, j) => {
      const c = conference(i >> 1, j >> 1);
      const [row, column] = [i & 1, j & 1];
      if (c === 0) return row === 0 && column === 0 ? 1 : -1;
      return row === 1 && column === 1 ? -c : c;
    });
  }
  return undefined;
}

/** The Legendre symbol modulo a prime. */
function createResidues(prime: number): (difference: number) => 1 | -1 {
  const squares = new Set(Array.from({ length: prime - 1 }, (_, i) => (i + 1) ** 2 % prime));
  return (difference) => (squares.has(((difference % prime) + prime) % prime) ? 1 : -1);
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let factor = 2; factor * factor <= n; factor++) if (n % factor === 0) return false;
  return true;
}

function createMatrix(n: number, entry: (row: number, column: number) => number): Int8Array {
  return Int8Array.from({ length: n * n }, (_, i) => entry(Math.floor(i / n), i % n));
}

/** Flipping the sign of a column keeps the rows orthogonal. */
function normalizeFirstRow(h: Int8Array, n: number): Int8Array {
  return h.map((each, i) => each * h[i % n]!);
}

/** Returns an orthogonal matrix [n, n] by Gram-Schmidt, twice for accuracy; its first row is constant, the others are random. */
export function createRandomBasis(n: number, random: Random): Float64Array {
  const out = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    const own = out.subarray(row * n, (row + 1) * n);
    for (let i = 0; i < n; i++) own[i] = row === 0 ? 1 : drawNormal(random);
    for (let pass = 0; pass < 2; pass++)
      for (let other = 0; other < row; other++) {
        const from = other * n;
        let product = 0;
        for (let i = 0; i < n; i++) product += own[i]! * out[from + i]!;
        for (let i = 0; i < n; i++) own[i]! -= product * out[from + i]!;
      }
    const length = Math.sqrt(own.reduce((sum, each) => sum + each ** 2, 0));
    for (let i = 0; i < n; i++) own[i]! /= length;
  }
  return out;
}

const drawNormal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export interface Rotation {
  /** Orthogonal, [n, n]: x becomes x·Q. */
  readonly q: Float64Array;
  readonly kind: "hadamard" | "random";
}

export interface RotationOptions {
  readonly kind: "hadamard" | "random";
  /** Whether the mean of the channels has to stay, as layer norms require: Q·1 = 1. */
  readonly keepsMean: boolean;
}

/**
 * Returns a random rotation: D·B with random signs D and an orthogonal basis B, or Bᵀ·D·B to keep the mean, where B has a
 * constant first row and D is 1 there. A size without a known Hadamard matrix gets a random basis.
 */
export function createRotation(n: number, { kind, keepsMean }: RotationOptions, random: Random): Rotation {
  const hadamard = kind === "hadamard" ? createHadamard(n) : undefined;
  const basis =
    hadamard === undefined
      ? createRandomBasis(n, random)
      : Float64Array.from(hadamard, (each) => each / Math.sqrt(n));
  const signs = drawSigns(n, random);
  const q = new Float64Array(n * n);
  if (!keepsMean)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) q[i * n + j] = signs[i]! * basis[i * n + j]!;
  else
    for (let k = 0; k < n; k++)
      for (let i = 0; i < n; i++) {
        const left = signs[k]! * signs[0]! * basis[k * n + i]!;
        for (let j = 0; j < n; j++) q[i * n + j]! += left * basis[k * n + j]!;
      }
  return { q, kind: hadamard === undefined ? "random" : "hadamard" };
}

/** As many of either sign as possible, so that Bᵀ·D·B has no large diagonal. */
function drawSigns(n: number, random: Random): Int8Array {
  const signs = Int8Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -1));
  for (let i = n - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [signs[i], signs[other]] = [signs[other]!, signs[i]!];
  }
  return signs;
}
