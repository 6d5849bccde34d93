/**
 * Representations that store smaller matrices, their pieces: factors, cores, or the part that is left. Each piece can be stored
 * in any representation, which the one that contains it does not know: it applies its pieces, or reads them as dense matrices.
 */
import type { Value } from "../graph/op";
import dense from "./dense";
import {
  type Axis,
  type DropInputs,
  type Inference,
  type MatrixCounts,
  type MatrixSpec,
  type OnMatrix,
  type ParameterSpec,
  type Representation,
  type StoredPiece,
  type TensorSource,
  type ValueSource,
} from "./representation";

/** A piece in a graph. */
export interface PieceValue {
  /** [rows, inputs] → [rows, outputs] */
  apply(x: Value): Value;
  /** The dense matrix in the layout of the piece; absent if it can only be applied. */
  readonly dense: (() => Value) | undefined;
}

export interface CompositeDefinition<O> extends Pick<
  Representation<O>,
  "title" | "worth" | "contents" | "options" | "refuses"
> {
  pieces(matrix: MatrixSpec, options: O): readonly MatrixSpec[];
  /** Like `apply` of a representation. If `observed`, every piece is applied. */
  apply(
    x: Value,
    pieces: readonly PieceValue[],
    matrix: MatrixSpec,
    options: O,
    observed: boolean,
    drop?: DropInputs,
  ): Value;
  /** The dense matrix in the layout of its family, from those of the pieces in the layouts of the pieces. */
  dense(pieces: readonly Value[], matrix: MatrixSpec, options: O): Value;
  /** The dense matrix [inputs, outputs], from those of the pieces. */
  materialize(pieces: readonly Float32Array[], matrix: MatrixSpec, options: O): Float32Array;
}

/** Defines a representation from what it does with its pieces. */
export function defineComposite<O>(definition: CompositeDefinition<O>): Representation<O> {
  return createRepresentation(definition, undefined);
}

/** A matrix that is stored inside another one. `key` is the end of its role. */
export function createPiece(
  { role, purpose, layer, kind, init }: MatrixSpec,
  key: string,
  piece: Pick<MatrixSpec, "name" | "inputs" | "outputs" | "layout" | "axes"> &
    Partial<Pick<MatrixSpec, "weight" | "init">>,
): MatrixSpec {
  return { role: `${role}.${key}`, purpose, layer, kind, init, bias: false, ...piece };
}

/** The inner axis of the factors of a matrix. */
export const bondAxis = (units: number): Axis => ({ kind: "bond", units, unit: 1 });

/** An axis of which only the first entries are left. */
export function shortenAxis(axis: Axis, size: number): Axis {
  return size % axis.unit === 0 ? { ...axis, units: size / axis.unit } : { ...axis, units: size, unit: 1 };
}

function createRepresentation<O>(
  definition: CompositeDefinition<O>,
  stored: readonly StoredPiece[] | undefined,
): Representation<O> {
  const { title, worth, contents, options, refuses } = definition;
  const piecesOf = (matrix: MatrixSpec, given: O): readonly StoredPiece[] =>
    stored ??
    definition.pieces(matrix, given).map((piece) => ({ matrix: piece, representation: dense, options: {} }));
  const hasDense = (stored ?? []).every(({ representation }) => representation.dense !== undefined);
  const infer = (
    matrix: MatrixSpec,
    given: O,
    find: (piece: StoredPiece) => Inference | undefined,
  ): Inference | undefined => combineInference(definition, matrix, given, piecesOf(matrix, given), find);
  return {
    title,
    ...(worth === undefined ? {} : { worth }),
    ...(contents === undefined ? {} : { contents }),
    options,
    ...(refuses === undefined ? {} : { refuses }),
    pieces: (matrix, given) => definition.pieces(matrix, given),
    withPieces: (pieces) => createRepresentation(definition, pieces),
    parameters: (matrix, given) => toRole(piecesOf(matrix, given).flatMap(listParameters), matrix),
    apply: (x, values, matrix, given, onPiece, drop) =>
      definition.apply(
        x,
        piecesOf(matrix, given).map((piece) => createPieceValue(piece, values, { onPiece, drop })),
        matrix,
        given,
        onPiece !== undefined,
        drop,
      ),
    ...(hasDense
      ? {
          dense: (values, matrix, given) =>
            definition.dense(
              piecesOf(matrix, given).map((piece) =>
                piece.representation.dense!(values, piece.matrix, piece.options),
              ),
              matrix,
              given,
            ),
        }
      : {}),
    materialize: (tensors, matrix, given) =>
      definition.materialize(
        piecesOf(matrix, given).map((piece) =>
          piece.representation.materialize(tensors, piece.matrix, piece.options),
        ),
        matrix,
        given,
      ),
    count: (matrix, given, tensors) => sumCounts(piecesOf(matrix, given), tensors),
    inference: (matrix, given) =>
      infer(matrix, given, (piece) => piece.representation.inference?.(piece.matrix, piece.options)),
    inFile: (matrix, given, operators) =>
      infer(matrix, given, (piece) => piece.representation.inFile?.(piece.matrix, piece.options, operators)),
  };
}

const listParameters = ({ matrix, representation, options }: StoredPiece): readonly ParameterSpec[] =>
  representation.parameters(matrix, options);

/** The tensors of a piece are counted with the whole. */
const toRole = (specs: readonly ParameterSpec[], { role }: MatrixSpec): ParameterSpec[] =>
  specs.map((spec) => ({ ...spec, role }));

function createPieceValue(
  { matrix, representation, options }: StoredPiece,
  values: ValueSource,
  { onPiece, drop }: { readonly onPiece?: OnMatrix | undefined; readonly drop?: DropInputs | undefined },
  inference?: Inference,
): PieceValue {
  const buildDense =
    inference === undefined
      ? representation.dense && (() => representation.dense!(values, matrix, options))
      : inference.dense && (() => inference.dense!(values));
  return {
    dense: buildDense,
    apply: (x) => {
      const y =
        inference?.apply(x, values) ?? representation.apply(x, values, matrix, options, onPiece, drop);
      onPiece?.(matrix.role, x, y);
      return y;
    },
  };
}

/** The form at inference of a matrix of which some pieces have one. */
function combineInference<O>(
  definition: CompositeDefinition<O>,
  matrix: MatrixSpec,
  options: O,
  pieces: readonly StoredPiece[],
  find: (piece: StoredPiece) => Inference | undefined,
): Inference | undefined {
  const forms = pieces.map(find);
  if (forms.every((form) => form === undefined)) return undefined;
  const valuesOf = (values: ValueSource) =>
    pieces.map((piece, i) => createPieceValue(piece, values, {}, forms[i]));
  const hasDense = pieces.every(({ representation }, i) => (forms[i] ?? representation).dense !== undefined);
  return {
    parameters: toRole(
      pieces.flatMap((piece, i) => forms[i]?.parameters ?? listParameters(piece)),
      matrix,
    ),
    tensors: (source) => forms.flatMap((form) => form?.tensors(source) ?? []),
    apply: (x, values) => definition.apply(x, valuesOf(values), matrix, options, false),
    ...(hasDense
      ? {
          dense: (values) =>
            definition.dense(
              valuesOf(values).map((piece) => piece.dense!()),
              matrix,
              options,
            ),
        }
      : {}),
  };
}

function sumCounts(pieces: readonly StoredPiece[], tensors: TensorSource | undefined): MatrixCounts {
  const counts = pieces.map(({ matrix, representation, options }) =>
    representation.count(matrix, options, tensors),
  );
  const sum = (key: keyof MatrixCounts) => counts.reduce((total, each) => total + each[key], 0);
  return {
    trainable: sum("trainable"),
    stored: sum("stored"),
    nonZero: sum("nonZero"),
    bits: sum("bits"),
  };
}
