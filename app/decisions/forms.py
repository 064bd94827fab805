"""Forms in the wild: every word that says buy, sell or hold, whole; in several languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.decision import Action


@dataclass(frozen=True, slots=True)
class Form:
    """What a word says. `action` None: it depends on the position (EXIT). `rating` words say so only under a rating."""

    action: Action | None
    intent: str | None = None
    strength: str | None = None
    rating: bool = False


def word_of(text: str) -> str:
    """A word as the table of forms knows it: capitals, single spaces, no decoration around it."""
    if text in FORMS:
        # As the contract writes it, and so nearly everybody.
        return text
    plain = unicodedata.normalize("NFKC", text).replace("_", " ").replace("-", " ").upper()
    return " ".join(plain.strip(_DECORATION).split())


_DECORATION: Final = " \t\n*`\"'“”‘’.!。！「」『』()[]🚀📈📉🟢🔴🟡✅"


def _forms() -> Mapping[str, Form]:
    rows: list[tuple[Form, str]] = [
        (
            Form(Action.BUY),
            "BUY|BUY NOW|BUYING|COMPRAR|COMPRA|COMPRE|KAUFEN|KAUF|ACHETER|ACHAT|COMPRARE|ACQUISTA|ACQUISTARE"
            "|KOPEN|KUP|KUPUJ|KUPIĆ|SATIN AL|买入|买进|买|买多|購買|買入|買進|購入|買い|買う|買|ПОКУПАТЬ"
            "|КУПИТЬ|ПОКУПКА|매수|사다|شراء",
        ),
        (
            Form(Action.BUY, strength="strong"),
            "STRONG BUY|STRONGLY BUY|CONVICTION BUY|TOP PICK|STARK KAUFEN|KLARER KAUF|COMPRA FUERTE"
            "|COMPRA FORTE|ACHAT FORT|АКТИВНО ПОКУПАТЬ|强烈买入|强力买入|強い買い|強気買い|강력 매수"
            "|적극 매수",
        ),
        (Form(Action.BUY, strength="weak"), "WEAK BUY|SPECULATIVE BUY"),
        (
            Form(Action.BUY, "open_long"),
            "LONG|GO LONG|OPEN LONG|ENTER LONG|BUY TO OPEN|BUY LONG|LONG ENTRY|OPEN A LONG|OPEN LONG POSITION"
            "|做多|开多|开多单|開多|LARGO|ABRIR LARGO|ABRIR COMPRA|ENTRAR COMPRADO|COMPRADO|LONG GEHEN|ЛОНГ"
            "|ロング|롱",
        ),
        (
            Form(Action.BUY, "close_short"),
            "CLOSE SHORT|BUY TO CLOSE|BUY TO COVER|COVER|COVER SHORT|EXIT SHORT|CLOSE SHORT POSITION|平空"
            "|平空单|CERRAR CORTO|SHORT SCHLIESSEN|ЗАКРЫТЬ ШОРТ|買い戻し|숏 청산",
        ),
        (
            Form(Action.BUY, "add"),
            "ACCUMULATE|BUY MORE|ADD TO LONG|加仓|增持|加碼|ACUMULAR|ACCUMULER|RENFORCER|AUFSTOCKEN|買い増し"
            "|НАРАЩИВАТЬ",
        ),
        (
            Form(Action.BUY, strength="normal"),
            "OVERWEIGHT|OUTPERFORM|ÜBERGEWICHTEN|SOBREPONDERAR|SURPONDÉRER|SURPERFORMANCE|跑赢大市|オーバーウェイト",
        ),
        (
            Form(Action.BUY, rating=True),
            "BULLISH|VERY BULLISH|看多|看涨|看漲|利多|ALCISTA|ALTISTA|BULLISCH|HAUSSIER|RIALZISTA|БЫЧИЙ|強気|강세",
        ),
        (
            Form(Action.SELL),
            "SELL|SELL NOW|SELLING|VENDER|VENTA|VENDA|VENDE|VERKAUFEN|VERKAUF|VENDRE|VENTE|VENDERE|VENDI"
            "|VERKOPEN|SPRZEDAJ|SPRZEDAĆ|SATIŞ|卖出|卖|沽出|賣出|賣|売り|売る|売却|ПРОДАВАТЬ|ПРОДАТЬ|ПРОДАЖА"
            "|매도|팔다|بيع",
        ),
        (
            Form(Action.SELL, strength="strong"),
            "STRONG SELL|STRONGLY SELL|CONVICTION SELL|STARK VERKAUFEN|VENTA FUERTE|VENDA FORTE|VENTE FORTE"
            "|强烈卖出|强力卖出|АКТИВНО ПРОДАВАТЬ|強い売り|강력 매도|적극 매도",
        ),
        (Form(Action.SELL, strength="weak"), "WEAK SELL"),
        (
            Form(Action.SELL, "open_short"),
            "SHORT|GO SHORT|OPEN SHORT|ENTER SHORT|SELL SHORT|SELL TO OPEN|SHORT ENTRY|OPEN A SHORT"
            "|OPEN SHORT POSITION|做空|开空|开空单|開空|CORTO|ABRIR CORTO|ENTRAR VENDIDO|VENDIDO"
            "|LEERVERKAUFEN|SHORT GEHEN|VENDRE À DÉCOUVERT|ШОРТ|空売り|ショート|숏|공매도",
        ),
        (
            Form(Action.SELL, "close_long"),
            "CLOSE LONG|SELL TO CLOSE|EXIT LONG|CLOSE LONG POSITION|平多|平多单|CERRAR LARGO|LONG SCHLIESSEN"
            "|ЗАКРЫТЬ ЛОНГ|롱 청산",
        ),
        (
            Form(Action.SELL, "reduce"),
            "TRIM|REDUCE|SCALE OUT|TAKE PARTIAL PROFITS|减仓|减持|減碼|減倉|REDUCIR|REDUZIR|REDUZIEREN"
            "|ABBAUEN|ALLÉGER|RÉDUIRE|RIDURRE|СОКРАТИТЬ|一部売却|비중 축소",
        ),
        (
            Form(Action.SELL, strength="normal"),
            "UNDERWEIGHT|UNDERPERFORM|UNTERGEWICHTEN|INFRAPONDERAR|SOUS PONDÉRER|跑输大市|アンダーウェイト",
        ),
        (
            Form(Action.SELL, rating=True),
            "BEARISH|VERY BEARISH|看空|看跌|利空|BAJISTA|BAIXISTA|BÄRISCH|BAISSIER|RIBASSISTA|МЕДВЕЖИЙ|弱気|약세",
        ),
        (
            Form(None),
            "EXIT|CLOSE|CLOSE POSITION|EXIT POSITION|LIQUIDATE|FLATTEN|CLOSE ALL|GET OUT|平仓|平倉|清仓|清倉"
            "|CERRAR|CERRAR POSICIÓN|FECHAR|FECHAR POSIÇÃO|ENCERRAR|SCHLIESSEN|SCHLIEẞEN|POSITION SCHLIESSEN"
            "|GLATTSTELLEN|FERMER|CLÔTURER|CLÔTURER LA POSITION|CHIUDERE|ЗАКРЫТЬ|ЗАКРЫТЬ ПОЗИЦИЮ|ВЫЙТИ|決済"
            "|手仕舞い|청산",
        ),
        (
            Form(Action.HOLD, "hold"),
            "HOLD|WAIT|NEUTRAL|NO TRADE|NO ACTION|NO POSITION|STAY OUT|STAY FLAT|STAND ASIDE|DO NOTHING|SKIP"
            "|PASS|EQUAL WEIGHT|MARKET PERFORM|SIT OUT|WAIT AND SEE|STAY ON THE SIDELINES|KEEP|MAINTAIN|观望"
            "|持有|等待|不操作|保持|观察|觀望|不交易|持倉不動|MANTENER|ESPERAR|NEUTRO|NO OPERAR|MANTER"
            "|AGUARDAR|NEUTRA|HALTEN|ABWARTEN|WARTEN|BEHALTEN|CONSERVER|ATTENDRE|NEUTRE|MAINTENIR|GARDER"
            "|MANTENERE|ATTENDERE|NEUTRALE|ДЕРЖАТЬ|УДЕРЖИВАТЬ|ЖДАТЬ|ОЖИДАТЬ|НЕЙТРАЛЬНО|様子見|保有|維持"
            "|ホールド|中立|관망|보유|홀드|유지|중립|BEKLE|AANHOUDEN|WACHTEN|TRZYMAJ|CZEKAJ|احتفاظ",
        ),
    ]
    return {word: form for form, words in rows for word in words.split("|")}


FORMS: Final = _forms()
"""Every word that is an action, whole."""

NO_ACTION: Final = frozenset(
    (
        "",
        "NULL",
        "NONE",
        "N/A",
        "NA",
        "UNKNOWN",
        "UNDECIDED",
        "ABSTAIN",
        "无",
        "なし",
        "NINGUNA",
        "KEINE",
        "AUCUNE",
        "НЕТ",
        "없음",
    )
)
"""Words that say the model does not vote."""

_LATIN_WORDS: Final = sorted((w for w in FORMS if w.isascii()), key=len, reverse=True)
_OTHER_WORDS: Final = sorted((w for w in FORMS if not w.isascii()), key=len, reverse=True)
_ANY_FORM: Final = re.compile(
    rf"(?<![A-Z])(?:{'|'.join(map(re.escape, _LATIN_WORDS))})(?![A-Z])|{'|'.join(map(re.escape, _OTHER_WORDS))}"
)


def forms_within(text: str) -> list[str]:
    """Every action word inside a longer text; for telling an ambiguous value from an unknown one."""
    return _ANY_FORM.findall(word_of(text))
