import { describe, expect, test } from 'vitest';
import { formatOf, jsonText, yamlText } from './format.ts';

describe('YAML output', () => {
  test('has sorted keys, whole lines and a separator between documents', async () => {
    const long = 'A'.repeat(200);
    const text = await yamlText([
      { version: 'v3', kind: 'kube_cluster', spec: { kubeconfig: long } },
      { kind: 'role' },
    ]);
    expect(text).toBe(`kind: kube_cluster\nspec:\n  kubeconfig: ${long}\nversion: v3\n---\nkind: role\n`);
  });

  test.each(['yes', 'off', '1_000', '012', 'null', '~', '1e3', '*', '2030-01-01'])(
    'quotes %j, which other readers take for something else',
    async (value) => {
      expect(await yamlText([{ value }])).toMatch(/^value: ["']/);
    },
  );

  test('escapes control characters', async () => {
    expect(await yamlText([{ value: 'a\u001B[2J' }])).toBe('value: "a\\e[2J"\n');
  });

  test('is empty for no documents', async () => {
    expect(await yamlText([])).toBe('');
  });
});

describe('JSON output', () => {
  test('is indented and ends with a line feed', () => {
    expect(jsonText([{ a: 1 }])).toBe('[\n    {\n        "a": 1\n    }\n]\n');
  });
});

describe('a format', () => {
  test('is found in any letter case, others are refused', () => {
    expect(formatOf('JSON', ['json', 'text'])).toBe('json');
    expect(() => formatOf('xml', ['json', 'text'])).toThrow(
      'unknown format "xml", must be one of ["json", "text"]',
    );
  });
});
