/** The smallest experiment that trains: a step takes a millisecond or two. */
export function tinyExperiment(title: string, steps = 30): string {
  return `# ${title}

\`\`\`yaml
data:
  grammar: {length: 20000}
  tokenizer: bytes
  sequence_len: 32
\`\`\`

\`\`\`yaml
model:
  model_type: phi3
  hidden_size: 16
  intermediate_size: 32
  num_hidden_layers: 1
  num_attention_heads: 2
\`\`\`

\`\`\`yaml
train:
  max_steps: ${steps}
  per_device_train_batch_size: 2
  learning_rate: 1e-3
  eval_steps: 10
\`\`\`
`;
}
