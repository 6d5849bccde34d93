"""Ids of SentencePiece folders for texts with spaces, with `legacy` true and false, for test/backend/data/legacySpaces.test.ts.

`legacy: true` gives SentencePiece's own ids. `legacy: false` is the rule of published tokenizer.json files: `Metaspace` before
the first stretch, and merges ranked by the scores of the pieces. (transformers 5.24, given only a tokenizer.model, ranks
merges by ids instead, for both values, and then differs from SentencePiece.)
"""
import io, json, base64
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers.tokenization_utils_base import generate_merges

corpus = ["hello world", "the hello of the world", "a  b  c", "hello   hello", "world  world the  the", "def f(x):", "    return x", "  hello", "b c a the def return"] * 30
out = io.BytesIO()
spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=out, vocab_size=330, model_type="bpe", byte_fallback=True, remove_extra_whitespaces=False, normalization_rule_name="identity", character_coverage=1.0, hard_vocab_limit=False, allow_whitespace_only_pieces=True)
proto = pb.ModelProto.FromString(out.getvalue())
# Like Llama's file: runs of spaces come first among the pieces and have the lowest scores.
runs = [p for p in proto.pieces if p.piece.strip("▁") == "" and len(p.piece) > 1 and p.type == 1]
first = next(i for i, p in enumerate(proto.pieces) if p.type == 1)
rest = [p for p in proto.pieces[first:] if p not in runs]
for piece in runs:
    piece.score = -1e9
copies = [pb.ModelProto.SentencePiece.FromString(p.SerializeToString()) for p in [*proto.pieces[:first], *runs, *rest]]
del proto.pieces[:]; proto.pieces.extend(copies)
proto.trainer_spec.vocab_size = len(copies)
content = proto.SerializeToString()
sp = spm.SentencePieceProcessor(model_proto=content)
texts = ["hello", " hello", "  hello", "   a  b", "hello  world ", "\n  hello", "    return x", " ", "  ", ""]
scores = [(p.piece, p.score) for p in proto.pieces]
vocab = {p: i for i, (p, _) in enumerate(scores)}
merges = generate_merges({p: i for p, i in vocab.items() if proto.pieces[i].type == 1}, [s for i, s in enumerate(scores) if proto.pieces[i].type == 1])
t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
cases = [{"text": x, "legacy": sp.encode(x), "current": t.encode(x, add_special_tokens=False).ids} for x in texts]
json.dump({"model": base64.b64encode(content).decode(), "cases": cases}, open("test/fixtures/legacySpaces.json", "w"), ensure_ascii=False)
