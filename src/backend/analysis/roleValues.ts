/**
 * The values of one role of a model as a dense matrix, one line at a time. A dense matrix is read from the file in
 * pieces; any other is materialized by its representation, so at most one matrix is in memory.
 */
import { distance } from "fastest-levenshtein";
import { WorkbenchError } from "../../protocol/errors";
import type { WeightRole } from "../../protocol/service/models";
import { sizeOf } from "../graph/op";
import type { OpenedModel } from "../imports/openedModel";
import { listMatrixSlots, type ModelShape, tensorsOf } from "../models/model";
import { describeStorage, listWithPieces, type MatrixSlot, type StoredMatrix } from "../models/weights";
import { requireFloats, denseShape, weightName } from "../representations/dense";
import type { MatrixSpec, ParameterSpec, Purpose } from "../representations/representation";

/** Consecutive values of a row, or of a column if `down`. */
export interface ValueLine {
  readonly values: Float32Array;
  readonly row: number;
  readonly column: number;
  readonly down: boolean;
}

/** Outputs of a matrix, excluding the end. */
interface Columns {
  readonly from: number;
  readonly to: number;
}

interface RolePart {
  readonly stored: StoredMatrix;
  readonly columns: Columns;
  /** Their position in the role. */
  readonly at: number;
}

interface StoredRole extends WeightRole {
  /** Absent for a norm. */
  readonly purpose?: Purpose;
  readonly parts: readonly RolePart[];
  /** For a role that is not a matrix. */
  readonly vector?: ParameterSpec;
}

export interface RoleValues {
  readonly rows: number;
  readonly columns: number;
  lines(): Generator<ValueLine>;
}

const pieceValues = 2 ** 21;

/** A packed matrix is listed as a whole and in its parts, however it is stored, and one that stores smaller ones with those. */
export function listWeightRoles(shape: ModelShape): readonly WeightRole[] {
  return listRoles(shape).map(({ role, layer, shape: size, representation }) => ({
    role,
    ...(layer === undefined ? {} : { layer }),
    shape: size,
    representation,
  }));
}

export function getRoleValues(model: OpenedModel, role: string): RoleValues {
  const roles = listRoles(model.shape);
  const match = roles.find((each) => each.role === role);
  if (match === undefined) throw unknownRoleError(model, role, roles);
  const { vector, parts } = match;
  const [rows = 1, columns = 1] = match.shape.length === 1 ? [1, ...match.shape] : match.shape;
  if (vector !== undefined) {
    const values = () => requireFloats(vector.name, model.read(vector.name));
    return {
      rows,
      columns,
      lines: function* () {
        yield { values: values(), row: 0, column: 0, down: false };
      },
    };
  }
  return {
    rows,
    columns,
    lines: function* () {
      for (const part of parts) yield* readLines(model, part);
    },
  };
}

/** The same, with the purpose of each role in the model. */
export function listRoles(shape: ModelShape): StoredRole[] {
  const matrices = listMatrixSlots(shape).flatMap(listSlotRoles);
  const seen = new Set<string>();
  const vectors = tensorsOf(shape)
    // A norm has a weight and possibly a bias; the first represents the role.
    .filter(({ role }) => !seen.has(role) && seen.add(role))
    .map((spec) => ({
      role: spec.role,
      ...pickLayer(spec),
      shape: [sizeOf(spec.shape)],
      representation: "dense",
      parts: [],
      vector: spec,
    }));
  return [...matrices, ...vectors];
}

function pickLayer({ layer }: Pick<MatrixSpec, "layer">): Pick<WeightRole, "layer"> {
  return layer === undefined ? {} : { layer };
}

function listSlotRoles({ matrix, stored, split }: MatrixSlot): StoredRole[] {
  const of = (spec: MatrixSpec, outputs: number, parts: readonly RolePart[]): StoredRole => ({
    role: spec.role,
    purpose: spec.purpose,
    ...pickLayer(spec),
    shape: [spec.inputs, outputs],
    representation: [...new Set(parts.map((part) => describeStorage(part.stored)))].join(" + "),
    parts,
  });
  let at = 0;
  const parts = stored.map((each): RolePart => {
    const part = { stored: each, columns: { from: 0, to: each.matrix.outputs }, at };
    at += each.matrix.outputs;
    return part;
  });
  const whole = of(matrix, matrix.outputs, parts);
  const ofStored = (each: StoredMatrix) =>
    of(each.matrix, each.matrix.outputs, [
      { stored: each, columns: { from: 0, to: each.matrix.outputs }, at: 0 },
    ]);
  const listPieces = (each: StoredMatrix) => listWithPieces(each).slice(1).map(ofStored);
  if (split) return [whole, ...stored.flatMap((each) => [ofStored(each), ...listPieces(each)])];
  const packed = (matrix.parts ?? []).map(({ role, purpose, from, to }) =>
    of({ ...matrix, role, purpose }, to - from, [{ stored: stored[0]!, columns: { from, to }, at: 0 }]),
  );
  return [whole, ...packed, ...listPieces(stored[0]!)];
}

function* readLines(model: OpenedModel, { stored, columns, at }: RolePart): Generator<ValueLine> {
  const { matrix, type, representation, options } = stored;
  const down = type === "dense" && matrix.layout === "out_in";
  const [majors, minors] = type === "dense" ? denseShape(matrix) : [matrix.inputs, matrix.outputs];
  const [first, last] = down ? [columns.from, columns.to] : [0, majors];
  const read = type === "dense" ? createReader(model, weightName(matrix)) : whole();
  const step = Math.max(1, Math.floor(pieceValues / minors));
  for (let start = first; start < last; start += step) {
    const end = Math.min(last, start + step);
    const piece = read(start * minors, end * minors);
    for (let major = start; major < end; major++) {
      const line = piece.subarray((major - start) * minors, (major - start + 1) * minors);
      yield down
        ? { values: line, row: 0, column: at + major - columns.from, down }
        : { values: line.subarray(columns.from, columns.to), row: major, column: at, down };
    }
  }

  function whole(): (from: number, to: number) => Float32Array {
    const dense = representation.materialize((name) => model.read(name), matrix, options);
    return (from, to) => dense.subarray(from, to);
  }
}

function createReader(model: OpenedModel, name: string): (from: number, to: number) => Float32Array {
  return (from, to) => requireFloats(name, model.read(name, from, to));
}

function unknownRoleError(
  { source }: OpenedModel,
  role: string,
  roles: readonly StoredRole[],
): WorkbenchError {
  const allowed = roles.map((each) => each.role);
  const nearest = allowed.reduce((best, each) => (distance(role, each) < distance(role, best) ? each : best));
  return new WorkbenchError("not-found", `${source} has no role ${role}. The nearest is ${nearest}.`, {
    allowed,
    nearest,
  });
}
