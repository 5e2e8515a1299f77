/** The messages in Russian. Commands, file names and codes stay as they are. */
import type { Texts, Values } from './message-data.ts';
import { shortModel } from './usage.ts';

export const RUSSIAN: Texts = {
  comments: {
    started: (v) => `🔍 Работа над ${v.itemId} началась.${part(' Ветка ', v.code('branch'), '.')}`,
    stageChanged: (v) =>
      `${stage(v, 'from')} → **${stage(v, 'stage')}**${part(', работает ', role(v), '')}${attempt(v)}`,
    returned: (v) =>
      `🔄 ${stage(v, 'from')} → **${stage(v, 'stage')}**${part(', снова работает ', role(v), '')}${attempt(v)}${v.quote('reason')}`,
    questions: (v) =>
      `❓ У аналитика есть вопросы. Ответьте, пожалуйста, комментарием здесь (реакции до нас не доходят).${v.quote('text')}${next(v)}`,
    answered: (v) => `Ответ получен${part(' (', v.names('by'), ')')}, работа продолжается с ним.`,
    approvalAsked: (v) =>
      `📋 Нужно согласование: **${stage(v, 'stage')}**, коммит ${v.commit('commit')}. Ответьте \`/approve\` или \`/reject причина\`.${v.list('files')}${next(v)}`,
    approved: (v) => `✅ ${stage(v, 'stage')}: согласовано (${v.line('by')}), коммит ${v.commit('commit')}.`,
    rejected: (v) =>
      `❌ Отклонено (${v.line('by')})${part(': ', stage(v, 'stage'), ' — снова, с учётом причины')}.${v.quote('reason')}`,
    reminder: (v) => `📋 Всё ещё ждём человека (${wait(v)}, ${stage(v, 'stage')}).${v.quote('reason')}${next(v)}`,
    gateRefused: (v) => `❌ Проверка ${v.code('gate')} не пройдена: ${v.line('reason')}${v.quote('tail')}`,
    conflict: (v) => `⚠️ Архитектор нашёл противоречие, возвращаемся к аналитике.${v.quote('text')}`,
    runEnded: (v) => `Запуск ${v.text('number')}${part(' (', role(v), ')')}: ${facts(v)}`,
    runFailed: (v) =>
      `🚨 Запуск не удался: ${v.line('reason')}.${v.flag('again') ? ' Он повторится, как только запуск станет возможен.' : ''}${log(v)}`,
    waitingUntil: (v) => `Ждём до ${v.instant('untilMs')}: ${v.line('reason')}`,
    attention: (v) => `⚠️ Нужен человек, этап **${stage(v, 'stage')}**: ${v.line('reason')}${log(v)}${next(v)}`,
    landed: (v) =>
      `✅ В main, коммит ${v.commit('head')}${part(' (поверх ', v.commit('base'), ')')}; ${v.flag('retested') ? 'именно этот коммит был перепроверен тестами' : 'именно это дерево уже было проверено'}.`,
    mergeRefused: (v) => `❌ Слияние не состоялось (${v.line('result')}): ${v.line('reason')}`,
    paused: (v) => `Приостановлено (${v.line('by')}).${next(v)}`,
    resumed: (v) => `Продолжено (${v.line('by')}).`,
    cancelled: (v) =>
      `Отменено${part(' (', v.line('by'), ')')}. Ветка и работа сохранены.${v.quote('reason')}${total(v)}`,
    notCommitted: (v) =>
      `⚠️ Закоммичено не всё.${part('\n\nВне того, что может менять эта роль (сохранено патчем в записи запуска):', v.list('outside'), '')}${part('\n\nНе принято и оставлено на месте:', v.list('refused'), '')}`,
    commandRefused: (v) => `Команда ${v.code('command')} отклонена: ${v.line('reason')}`,
    done: (v) => `✅ Готово${part(': коммит ', v.commit('head'), '')}.${v.quote('reason')}${total(v)}`,
  },
  alerts: {
    approval: 'нужно согласование',
    questions: 'вопросы',
    attention: 'нужен человек',
    failed: 'ошибка',
    started: 'начато',
    again: 'запуск снова',
    breaker: 'предохранитель',
    info: 'новости',
  },
};

const STAGE_NAMES: Record<string, string> = {
  created: 'Создано',
  analysis: 'Аналитика',
  architecture: 'Архитектура',
  development: 'Разработка',
  review: 'Ревью',
  testing: 'Тестирование',
  'deploy-staging': 'Стейджинг',
  deploy: 'Деплой',
  done: 'Готово',
  cancelled: 'Отменено',
};

const ROLE_NAMES: Record<string, string> = {
  analyst: 'аналитик',
  architect: 'архитектор',
  developer: 'разработчик',
  reviewer: 'ревьюер',
  tester: 'тестировщик',
  deployer: 'деплойер',
};

const WAIT_NAMES: Record<string, string> = { approval: 'согласование', answer: 'ответ', attention: 'решение' };

const OUTCOME_NAMES: Record<string, string> = {
  succeeded: 'успех',
  failed: 'ошибка',
  budget: 'превышено время',
  silence: 'нет активности',
  output: 'слишком большой вывод',
  stopped: 'остановлен',
  lease: 'остался без присмотра',
  lost: 'потерян',
};

function translate(names: Record<string, string>, word: string): string {
  return Object.hasOwn(names, word) ? (names[word] ?? word) : word;
}

function stage(v: Values, key: string): string {
  return translate(STAGE_NAMES, v.line(key));
}

function role(v: Values): string {
  return translate(ROLE_NAMES, v.line('role'));
}

function wait(v: Values): string {
  return translate(WAIT_NAMES, v.line('kind'));
}

function part(before: string, value: string, after: string): string {
  return value === '' ? '' : `${before}${value}${after}`;
}

function attempt(v: Values): string {
  const count = v.count('attempt');
  return count === null || count < 1 ? '' : ` (попытка ${count})`;
}

function next(v: Values): string {
  return part('\n\nДальше: ', v.code('next'), '');
}

function log(v: Values): string {
  return part('\n\nЖурнал: ', v.code('logPath'), '');
}

function facts(v: Values): string {
  const usage = v.usage('usage');
  const outcome = translate(OUTCOME_NAMES, v.line('outcome'));
  const all = [outcome, shortModel(v.text('model')), v.line('effort'), usage === '' ? v.duration('durationMs') : usage];
  return all.filter((fact) => fact !== '').join(' · ');
}

function total(v: Values): string {
  const runs = v.count('runs');
  const all = [runs === null ? '' : `запусков: ${runs}`, v.usage('usage')].filter((fact) => fact !== '');
  return part('\n\nВсего: ', all.join(' · '), '');
}
