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
        "Vous recevez cet e-mail parce que {email} est inscrit à la liste « {list} ».",
        "Vous recevez cet e-mail parce que {email} est inscrit auprès de {sender}.",
        "Se désinscrire",
        "Modifier mes préférences",
        "Voir dans le navigateur",
    ),
    "es": Phrases(
        "Recibe este correo porque {email} está en la lista «{list}».",
        "Recibe este correo porque {email} está suscrito a {sender}.",
        "Darse de baja",
        "Cambiar preferencias",
        "Ver en el navegador",
    ),
    "it": Phrases(
        "Ricevi questa e-mail perché {email} è iscritto alla lista «{list}».",
        "Ricevi questa e-mail perché {email} è iscritto a {sender}.",
        "Annulla l’iscrizione",
        "Modifica le preferenze",
        "Visualizza nel browser",
    ),
    "pt": Phrases(
        "Você recebe este e-mail porque {email} está na lista “{list}”.",
        "Você recebe este e-mail porque {email} está inscrito em {sender}.",
        "Cancelar inscrição",
        "Alterar preferências",
        "Ver no navegador",
    ),
    "nl": Phrases(
        "Je ontvangt deze e-mail omdat {email} op de lijst “{list}” staat.",
        "Je ontvangt deze e-mail omdat {email} is aangemeld bij {sender}.",
        "Afmelden",
        "Voorkeuren wijzigen",
        "Bekijken in browser",
    ),
    "pl": Phrases(
        "Otrzymujesz tę wiadomość, ponieważ adres {email} jest na liście „{list}”.",
        "Otrzymujesz tę wiadomość, ponieważ adres {email} jest zapisany w {sender}.",
        "Wypisz się",
        "Zmień ustawienia",
        "Zobacz w przeglądarce",
    ),
    "ar": Phrases(
        "تصلك هذه الرسالة لأن {email} مسجل في القائمة «{list}».",
        "تصلك هذه الرسالة لأن {email} مسجل لدى {sender}.",
        "إلغاء الاشتراك",
        "تغيير التفضيلات",
        "عرض في المتصفح",
    ),
    "he": Phrases(
        "קיבלת הודעה זו משום שהכתובת {email} נמצאת ברשימה „{list}”.",
        "קיבלת הודעה זו משום שהכתובת {email} רשומה אצל {sender}.",
        "הסרה מהרשימה",
        "שינוי העדפות",
        "צפייה בדפדפן",
    ),
}


def phrases(language: str) -> Phrases:
    """The phrases of a language tag such as `de-AT`; English where we have none."""
    return _PHRASES.get(language[:2].lower(), _PHRASES["en"])


def direction(language: str) -> str:
    """`rtl` or `ltr`."""
    return "rtl" if language.replace("_", "-").split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"
