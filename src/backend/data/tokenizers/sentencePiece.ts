/** Reads a SentencePiece model (`tokenizer.model`): a protobuf message of pieces with scores and of the rules around them. */
import protobuf from "protobufjs/light";
import { WorkbenchError } from "../../../protocol/errors";
import { type Piece, pieceKinds, type PieceVocabulary } from "./pieceVocabulary";

const { Field, Root, Type } = protobuf;

/** The fields of sentencepiece_model.proto that are read; messages of other fields are passed over. */
const modelProto = new Root()
  .add(
    new Type("Model")
      .add(new Field("pieces", 1, "Piece", "repeated"))
      .add(new Field("trainer", 2, "Trainer"))
      .add(new Field("normalizer", 3, "Normalizer")),
  )
  .add(
    new Type("Piece")
      .add(new Field("text", 1, "string"))
      .add(new Field("score", 2, "float"))
      .add(new Field("kind", 3, "int32")),
  )
  .add(
    new Type("Trainer")
      .add(new Field("modelType", 3, "int32"))
      .add(new Field("whitespaceAsSuffix", 24, "bool"))
      .add(new Field("byteFallback", 35, "bool"))
      .add(new Field("unknown", 40, "int32"))
      .add(new Field("bos", 41, "int32"))
      .add(new Field("eos", 42, "int32")),
  )
  .add(
    new Type("Normalizer")
      .add(new Field("name", 1, "string"))
      .add(new Field("charsmap", 2, "bytes"))
      .add(new Field("dummyPrefix", 3, "bool"))
      .add(new Field("removeExtraSpaces", 4, "bool"))
      .add(new Field("escapeSpaces", 5, "bool")),
  )
  .lookupType("Model");

/** Absent fields have the defaults of the format. */
interface Message {
  readonly pieces?: readonly { readonly text?: string; readonly score?: number; readonly kind?: number }[];
  readonly trainer?: {
    readonly modelType?: number;
    readonly whitespaceAsSuffix?: boolean;
    readonly byteFallback?: boolean;
    readonly unknown?: number;
    readonly bos?: number;
    readonly eos?: number;
  };
  readonly normalizer?: {
    readonly name?: string;
    readonly charsmap?: Uint8Array;
    readonly dummyPrefix?: boolean;
    readonly removeExtraSpaces?: boolean;
    readonly escapeSpaces?: boolean;
  };
}

const modelTypes: Readonly<Record<number, PieceVocabulary["algorithm"]>> = { 1: "unigram", 2: "bpe" };

export function readSentencePiece(id: string, file: Uint8Array): PieceVocabulary {
  const { pieces: protoPieces, trainer, normalizer } = decode(id, file);
  const pieces = protoPieces.map(({ text = "", score = 0, kind = 1 }): Piece => {
    const name = pieceKinds[kind];
    if (name === undefined) throw corruptModelError(id, `piece ${JSON.stringify(text)} is of kind ${kind}`);
    return { text, score, kind: name };
  });
  const algorithm = modelTypes[trainer.modelType ?? 1];
  if (algorithm === undefined)
    throw unsupportedModelError(
      id,
      "cuts text into words or characters, and only its unigram and BPE models are read",
    );
  if (trainer.whitespaceAsSuffix === true || normalizer.escapeSpaces === false)
    throw unsupportedModelError(
      id,
      "does not put its spaces before words as ▁, which is the only way that is read",
    );
  const { name = "", charsmap = new Uint8Array() } = normalizer;
  const rewritten = charsmap.length > 0 ? pieces.find((piece) => isRewritten(piece, name)) : undefined;
  if (rewritten !== undefined)
    throw unsupportedModelError(
      id,
      `exempts its user-defined piece ${JSON.stringify(rewritten.text)} from its normalization (${name || "unnamed"}), which is not supported`,
    );
  const { bos = 1, eos = 2, unknown = 0 } = trainer;
  return {
    pieces,
    algorithm,
    unknown,
    bos: bos >= 0 ? bos : undefined,
    eos: eos >= 0 ? eos : undefined,
    opens: bos >= 0,
    dummyPrefix: normalizer.dummyPrefix ?? true,
    removeExtraSpaces: normalizer.removeExtraSpaces ?? true,
    byteFallback: trainer.byteFallback ?? false,
    charsmap,
  };
}

/** Characters that the tables of SentencePiece leave as they are, by name of the table. */
const unchanged: Readonly<Record<string, RegExp>> = {
  nfkc: /^[!-~▁]*$/,
  nmt_nfkc: /^[!-~▁]*$/,
  nfkc_cf: /^[!-@[-~▁]*$/,
  nmt_nfkc_cf: /^[!-@[-~▁]*$/,
};

/** Whether the table could rewrite a user-defined piece, which SentencePiece exempts from it. */
function isRewritten({ kind, text }: Piece, table: string): boolean {
  return kind === "user" && unchanged[table]?.test(text) !== true;
}

function decode(id: string, file: Uint8Array): Required<Message> {
  let message: Message;
  try {
    message = modelProto.toObject(modelProto.decode(file));
  } catch (cause) {
    throw corruptModelError(id, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { pieces = [], trainer, normalizer } = message;
  if (pieces.length === 0) throw corruptModelError(id, "it holds no pieces");
  // The settings are at the end of the file, so a file without them was truncated between two pieces.
  if (trainer === undefined || normalizer === undefined) throw corruptModelError(id, "it lacks its settings");
  return { pieces, trainer, normalizer };
}

function corruptModelError(id: string, why: string, cause?: unknown): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `${id} is not a SentencePiece model (${why}). Use another copy of the file, or the tokenizer.json of the same model.`,
    {},
    { cause },
  );
}

function unsupportedModelError(id: string, why: string): WorkbenchError {
  return new WorkbenchError(
    "unsupported",
    `The SentencePiece model ${id} ${why}. Give the tokenizer.json of the same model.`,
  );
}
