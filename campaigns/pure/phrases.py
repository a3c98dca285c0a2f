"""What the footer says, by language. `{list}`, `{email}` and `{sender}` are filled in by the frame."""

from typing import NamedTuple

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})


class Phrases(NamedTuple):
    why_list: str
    why: str
    unsubscribe: str
    preferences: str
    web_version: str


_PHRASES = {
    "en": Phrases(
        "You receive this e-mail because {email} is on the list “{list}”.",
        "You receive this e-mail because {email} signed up with {sender}.",
        "Unsubscribe",
        "Change what you receive",
        "View in browser",
    ),
    "de": Phrases(
        "Sie erhalten diese E-Mail, weil {email} in der Liste „{list}“ eingetragen ist.",
        "Sie erhalten diese E-Mail, weil {email} bei {sender} angemeldet ist.",
        "Abmelden",
        "Einstellungen ändern",
        "Im Browser ansehen",
    ),
    "fr": Phrases(
        "Vous recevez cet e-mail parce que l’adresse {email} est inscrite à la liste « {list} ».",
        "Vous recevez cet e-mail parce que l’adresse {email} est inscrite auprès de {sender}.",
        "Se désabonner",
        "Modifier mes préférences",
        "Voir dans le navigateur",
    ),
    "es": Phrases(
        "Recibe este correo porque {email} está en la lista «{list}».",
        "Recibe este correo porque {email} está en la lista de suscriptores de {sender}.",
        "Darse de baja",
        "Cambiar preferencias",
        "Ver en el navegador",
    ),
    "it": Phrases(
        "Riceve questa e-mail perché l’indirizzo {email} è iscritto alla lista «{list}».",
        "Riceve questa e-mail perché l’indirizzo {email} è iscritto presso {sender}.",
        "Annulla l’iscrizione",
        "Modifica le preferenze",
        "Visualizza nel browser",
    ),
    "pt": Phrases(
        "Você recebe este e-mail porque {email} está na lista “{list}”.",
        "Você recebe este e-mail porque o endereço {email} está inscrito em {sender}.",
        "Cancelar inscrição",
        "Alterar preferências",
        "Ver no navegador",
    ),
    "nl": Phrases(
        "U ontvangt deze e-mail omdat {email} op de lijst “{list}” staat.",
        "U ontvangt deze e-mail omdat {email} is aangemeld bij {sender}.",
        "Afmelden",
        "Voorkeuren wijzigen",
        "Bekijken in browser",
    ),
    "pl": Phrases(
        "Otrzymujesz tę wiadomość, ponieważ adres {email} jest na liście „{list}”.",
        "Otrzymujesz tę wiadomość, ponieważ adres {email} jest zapisany u nadawcy {sender}.",
        "Wypisz mnie",
        "Zmień ustawienia",
        "Zobacz w przeglądarce",
    ),
    "ar": Phrases(
        "تصلك هذه الرسالة لأن العنوان {email} مسجل في القائمة «{list}».",
        "تصلك هذه الرسالة لأن العنوان {email} مسجل لدى {sender}.",
        "إلغاء الاشتراك",
        "تغيير التفضيلات",
        "عرض في المتصفح",
    ),
    "he": Phrases(
        "קיבלתם את ההודעה הזו משום שהכתובת {email} נמצאת ברשימה ”{list}“.",
        "קיבלתם את ההודעה הזו משום שהכתובת {email} רשומה אצל {sender}.",
        "הסרה מהרשימה",
        "שינוי העדפות",
        "צפייה בדפדפן",
    ),
    "ja": Phrases(
        "このメールは、{email} がリスト「{list}」に登録されているためお送りしています。",
        "このメールは、{email} が {sender} に登録されているためお送りしています。",
        "配信を停止する",
        "受け取る内容を変更する",
        "ブラウザで表示する",
    ),
    "sv": Phrases(
        "Du får det här mejlet eftersom {email} står på listan ”{list}”.",
        "Du får det här mejlet eftersom {email} är anmäld hos {sender}.",
        "Avsluta prenumerationen",
        "Ändra vad du får",
        "Visa i webbläsaren",
    ),
    "tr": Phrases(
        "Bu e-postayı, {email} adresi “{list}” listesinde olduğu için alıyorsunuz.",
        "Bu e-postayı, {email} adresi {sender} aboneleri arasında olduğu için alıyorsunuz.",
        "Abonelikten çık",
        "Tercihleri değiştir",
        "Tarayıcıda görüntüle",
    ),
    "uk": Phrases(
        "Ви отримали цей лист, бо адреса {email} є у списку «{list}».",
        "Ви отримали цей лист, бо адресу {email} підписано на розсилку від {sender}.",
        "Відписатися",
        "Змінити налаштування",
        "Переглянути в браузері",
    ),
    "zh": Phrases(
        "您收到此邮件是因为 {email} 在列表“{list}”中。",
        "您收到此邮件是因为 {email} 订阅了 {sender} 的邮件。",
        "退订",
        "更改接收内容",
        "在浏览器中查看",
    ),
}


def phrases(language: str) -> Phrases:
    """The phrases of a language tag such as `de-AT`; English where we have none."""
    return _PHRASES.get(language[:2].lower(), _PHRASES["en"])


def direction(language: str) -> str:
    """`rtl` or `ltr`."""
    return "rtl" if language.replace("_", "-").split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"
