import { describe, expect, it } from "vitest";
import {
  compareNeighbors,
  computeAlignment,
  createKernel,
  estimateDependence,
  type Kernel,
} from "../../src/statistics/similarity";
import { drawNormals } from "../support/normals";

const items = 40;

/** X·Xᵀ of X [items, width]. */
function createGram(x: ArrayLike<number>, width: number): Kernel {
  const gram = Float64Array.from({ length: items * items }, (_, at) => {
    const [i, j] = [Math.floor(at / items), at % items];
    let sum = 0;
    for (let k = 0; k < width; k++) sum += x[i * width + k]! * x[j * width + k]!;
    return sum;
  });
  return createKernel(gram, items);
}

const align = (a: Kernel, b: Kernel) =>
  computeAlignment(estimateDependence(a, b), estimateDependence(a, a), estimateDependence(b, b));

/** Rotates the first two columns, scales everything, and moves all items by the same vector. */
function transform(x: Float32Array, width: number): Float64Array {
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  return Float64Array.from(x, (value, at) => {
    const [row, column] = [at - (at % width), at % width];
    const [a, b] = [x[row]!, x[row + 1]!];
    const rotated = column === 0 ? c * a - s * b : column === 1 ? s * a + c * b : value;
    return 3 * rotated + column;
  });
}

describe("centered kernel alignment", () => {
  const width = 6;
  const x = drawNormals(items * width, 1);
  const own = createGram(x, width);

  it("is 1 with itself, and after a rotation, a scale and a shift", () => {
    expect(align(own, own)).toBeCloseTo(1, 12);
    expect(align(own, createGram(transform(x, width), width))).toBeCloseTo(1, 9);
  });

  it("is about 0 for independent representations, of another width too", () => {
    const others = Array.from({ length: 30 }, (_, i) =>
      align(own, createGram(drawNormals(items * 9, 10 + i), 9)),
    );
    const mean = others.reduce((sum, each) => sum + each / others.length, 0);
    const deviation = Math.sqrt(others.reduce((sum, each) => sum + (each - mean) ** 2, 0) / others.length);
    // Without bias: the mean of 30 estimates is within three standard errors of zero.
    expect(Math.abs(mean)).toBeLessThan((3 * deviation) / Math.sqrt(others.length));
  });

  it("falls with noise", () => {
    const noise = drawNormals(items * width, 2);
    const values = [0, 0.3, 1, 3].map((strength) =>
      align(
        own,
        createGram(
          Float64Array.from(x, (value, i) => value + strength * noise[i]!),
          width,
        ),
      ),
    );
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(values[3]).toBeLessThan(0.5);
  });

  it("is 0 where nothing varies", () => {
    expect(align(own, createGram(new Float64Array(items * width).fill(1), width))).toBeCloseTo(0, 6);
  });
});

describe("neighbors", () => {
  const points = Float64Array.from({ length: items }, (_, i) => i ** 1.5);
  const line = createGram(points, 1);

  it("stay after a shift and a scale, and are those of a line", () => {
    expect(
      compareNeighbors(
        line,
        createGram(
          points.map((each) => 5 - 2 * each),
          1,
        ),
        3,
      ),
    ).toBe(1);
    // Squares spread the points more toward the end, so that some nearest points change.
    const squares = compareNeighbors(
      line,
      createGram(
        points.map((each) => each ** 2),
        1,
      ),
      3,
    );
    expect(squares).toBeGreaterThan(0.7);
    expect(squares).toBeLessThanOrEqual(1);
    const unrelated = compareNeighbors(line, createGram(drawNormals(items, 3), 1), 3);
    expect(unrelated).toBeLessThan(0.4);
  });
});
