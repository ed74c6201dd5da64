import { describe, expect, test } from 'vitest';
import { headlessText, tableText } from './table.ts';

describe('a table', () => {
  test('has dashes as wide as the widest cell of each column and one blank between columns', () => {
    const rows = [['mycluster', 'teleport.dev/origin=dynamic', '']];
    expect(tableText({ columns: ['Kube Cluster Name', 'Labels', 'Selected'], rows })).toBe(
      [
        'Kube Cluster Name Labels                      Selected',
        '----------------- --------------------------- --------',
        'mycluster         teleport.dev/origin=dynamic',
        '',
      ].join('\n'),
    );
  });

  test('prints titles and dashes without rows', () => {
    expect(tableText({ columns: ['Kube Cluster Name', 'Labels', 'Selected'], rows: [] })).toBe(
      'Kube Cluster Name Labels Selected\n----------------- ------ --------\n',
    );
  });

  test('gives narrow columns five places', () => {
    expect(tableText({ columns: ['A', 'B'], rows: [['x', 'y']] })).toBe('A    B\n-    -\nx    y\n');
  });

  test('cuts the elastic column to the terminal and says so', () => {
    const table = {
      columns: ['Name', 'Labels', 'Sel'],
      rows: [['one', 'a=1234567890 b=1234567890', '*']],
      elastic: 'Labels',
    };
    expect(tableText(table, { width: 30 })).toBe(
      [
        'Name Labels              Sel',
        '---- ------------------- ---',
        'one  a=1234567890 b=1... *',
        '',
        'Labels were cut to fit the terminal: pass --verbose to see them whole.',
        '',
      ].join('\n'),
    );
  });

  test('is never cut when the output is no terminal', () => {
    const table = { columns: ['Labels'], rows: [['x'.repeat(300)]], elastic: 'Labels' };
    expect(tableText(table)).toContain('x'.repeat(300));
  });

  test('shows cells on one line, without what terminals obey', () => {
    const rows = [['a\u001B[2Jb\u001B]0;title\u0007c\nd\r\u202Ee\u009B31mf']];
    expect(tableText({ columns: ['Name'], rows })).toBe('Name\n--------\nabc d ef\n');
  });
});

describe('a headless table', () => {
  test('has two blanks behind its widest title', () => {
    const rows = [
      ['Cluster', 'c'],
      ['Version', '1'],
      ['CA pin', 'sha256:ab'],
    ];
    expect(headlessText(rows)).toBe('Cluster  c\nVersion  1\nCA pin   sha256:ab\n');
  });
});
