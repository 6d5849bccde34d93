"""
Whether the programs of three formats run what Lathe exports, with equal logits: transformers.js, onnxruntime-genai and MLX.

    pip install onnxruntime-genai mlx-lm "mlx[cpu]"
    npm install --prefix PACKAGES @huggingface/transformers
    npx tsx scripts/reference/programs.ts FOLDER
    python scripts/reference/programs.py PACKAGES FOLDER

For every model of the folder and every program, prints the largest difference from Lathe's logits: of a whole text, and of a
text whose end is read with keys and values of its beginning. Decoders also continue the beginning as Lathe does, in
transformers.js beside a longer text, with padding on the left. Fails if a difference exceeds 1e-4 of the largest logit.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy

END = 256
PACKAGES, WORK = Path(sys.argv[1]), Path(sys.argv[2])

TRANSFORMERS_JS = """
import { AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification, Tensor, env }
  from "@huggingface/transformers";
import { readFileSync } from "node:fs";
const [work, ...names] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = work;
const ids = (rows) => new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
const ones = (row) => row.map(() => 1);
for (const name of names) {
  const folder = `${name}/transformers-js`;
  const { prompt, tokens } = JSON.parse(readFileSync(`${work}/${name}/expected.json`, "utf8"));
  const { architectures: [architecture], eos_token_id: end } = JSON.parse(readFileSync(`${work}/${folder}/config.json`, "utf8"));
  const kind = name.endsWith("-features") ? AutoModel : /MaskedLM/.test(architecture) ? AutoModelForMaskedLM
    : /SequenceClassification/.test(architecture) ? AutoModelForSequenceClassification : AutoModelForCausalLM;
  const model = await kind.from_pretrained(folder);
  const found = {};
  const feeds = { input_ids: ids([tokens]), attention_mask: ids([ones(tokens)]) };
  const whole = await model(feeds);
  found.whole = [...(whole.logits ?? whole.last_hidden_state).data];
  if (kind === AutoModelForMaskedLM) {
    // The first five tokens beside padding.
    const text = [...tokens.slice(0, 5), 1, 1];
    const { logits } = await model({ input_ids: ids([text]), attention_mask: ids([[1, 1, 1, 1, 1, 0, 0]]) });
    const alone = await model({ input_ids: ids([tokens.slice(0, 5)]), attention_mask: ids([[1, 1, 1, 1, 1]]) });
    found.padded = [[...logits.slice(null, [0, 5]).data], [...alone.logits.data]];
  }
  if (kind === AutoModelForCausalLM) {
    const begin = tokens.slice(0, prompt);
    const { logits, ...present } = await model({ input_ids: ids([begin]), attention_mask: ids([ones(begin)]) });
    const past_key_values = Object.fromEntries(
      Object.entries(present).map(([key, value]) => [key.replace("present", "past_key_values"), value]));
    const rest = await model({ ...feeds, input_ids: ids([tokens.slice(prompt)]), past_key_values });
    found.parts = [...logits.data, ...rest.logits.data];
    const shorter = begin.slice(2);
    const rows = [[5, 6, ...shorter], begin];
    const mask = [[0, 0, ...ones(shorter)], ones(begin)];
    const options = { max_new_tokens: tokens.length - prompt, do_sample: false, eos_token_id: -1 };
    // By default, a text ends with its token.
    const stopped = await model.generate({ ...feeds, input_ids: ids([begin]), attention_mask: ids([ones(begin)]),
      max_new_tokens: tokens.length - prompt, do_sample: false });
    found.stopped = stopped.tolist()[0].map(Number);
    const both = await model.generate({ input_ids: ids(rows), attention_mask: ids(mask), ...options });
    const alone = await model.generate({ input_ids: ids([shorter]), attention_mask: ids([ones(shorter)]), ...options });
    found.padded = [both.tolist()[0].slice(2).map(Number), alone.tolist()[0].map(Number)];
    found.continued = both.tolist()[1].map(Number);
  }
  console.log(JSON.stringify({ name, found }));
}
"""


def transformers_js(names: list[str]) -> dict:
    program = PACKAGES / "programs.mjs"
    program.write_text(TRANSFORMERS_JS)
    done = subprocess.run(
        ["node", program.resolve(), WORK.resolve(), *names], check=True, stdout=subprocess.PIPE, text=True
    )
    return {each["name"]: each["found"] for each in map(json.loads, done.stdout.splitlines())}


def genai(name: str, prompt: int, tokens: list[int]) -> dict:
    import onnxruntime_genai

    model = onnxruntime_genai.Model(str(WORK / name / "genai"))

    def start(text: list[int]) -> onnxruntime_genai.Generator:
        parameters = onnxruntime_genai.GeneratorParams(model)
        parameters.set_search_options(max_length=16, do_sample=False)
        generator = onnxruntime_genai.Generator(model, parameters)
        generator.append_tokens(text)
        return generator

    whole = start(tokens).get_output("logits")
    generator = start(tokens[:prompt])
    parts = [generator.get_output("logits")]
    while len(generator.get_sequence(0)) < len(tokens) and not generator.is_done():
        generator.generate_next_token()
    continued = [int(each) for each in generator.get_sequence(0)]
    generator = start(tokens[:prompt])
    generator.append_tokens(tokens[prompt:])
    parts.append(generator.get_output("logits"))
    encoder = onnxruntime_genai.Tokenizer(model)
    assert encoder.decode(encoder.encode("A text.")) == "A text."
    return {
        "whole": numpy.ravel(whole),
        "parts": numpy.concatenate([numpy.ravel(each) for each in parts]),
        "continued": continued,
    }


def mlx(name: str, prompt: int, tokens: list[int]) -> dict:
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache
    from mlx_lm.utils import load_model

    mx.set_default_device(mx.cpu)
    model, _ = load_model(WORK / name / "mlx")
    cache = make_prompt_cache(model)
    whole = numpy.array(model(mx.array([tokens])).astype(mx.float32))
    parts = [model(mx.array([each]), cache=cache) for each in (tokens[:prompt], tokens[prompt:])]
    parts = numpy.concatenate([numpy.array(each.astype(mx.float32)).ravel() for each in parts])
    return {"whole": whole.ravel(), "parts": parts}


def compare(name: str, program: str, found: dict, expected: dict) -> bool:
    logits = numpy.array(expected["logits"])
    if program == "transformers-js" and name.endswith("-classes"):
        logits = logits[: len(found["whole"])]  # of the first token
    parts = {key: abs(numpy.array(found[key]) - logits).max() for key in ("whole", "parts") if key in found}
    line = ", ".join(f"{key} {each:.1e}" for key, each in parts.items())
    good = all(each < 1e-4 * abs(logits).max() for each in parts.values())
    if "padded" in found:
        first, second = map(numpy.array, found["padded"])
        good &= bool(abs(first - second).max() < 1e-4 * abs(logits).max())
    if "stopped" in found:
        steps = expected["tokens"][expected["prompt"] :]
        end = steps.index(END) + 1 if END in steps else len(steps)
        good &= found["stopped"] == expected["tokens"][: expected["prompt"] + end]
    if "continued" in found:
        steps, tokens = found["continued"], expected["tokens"]
        good &= steps == tokens[: len(steps)]
        # onnxruntime-genai leaves the end of the text out.
        good &= len(steps) == len(tokens) or tokens[len(steps)] == END
    print(f"{'ok   ' if good else 'WRONG'} {name} {program}: {line} of {abs(logits).max():.1f}", flush=True)
    return good


def main() -> None:
    names = sorted(each.name for each in WORK.iterdir())
    chosen = sys.argv[3:] or ["transformers-js", "genai", "mlx"]
    good = True
    for program in chosen:
        written = [name for name in names if (WORK / name / program).exists()]
        together = transformers_js(written) if program == "transformers-js" else {}
        for name in written:
            expected = json.loads((WORK / name / "expected.json").read_text())
            one = {"genai": genai, "mlx": mlx}.get(program)
            try:
                found = one(name, expected["prompt"], expected["tokens"]) if one else together[name]
            except Exception as error:
                print(f"WRONG {name} {program}: {error}", flush=True)
                good = False
                continue
            good &= compare(name, program, found, expected)
    if not good:
        raise SystemExit("Some logits or tokens differ.")


if __name__ == "__main__":
    main()
