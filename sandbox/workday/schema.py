"""The part of Revenue Management that is served: types, requests and answers, as data.

Names are Workday's, everything else is our own. ``wsdl`` prints it for clients, ``trees`` reads and
writes messages by it. Notation: ``Name`` is text, ``Name:decimal`` (``date``, ``dateTime``,
``boolean``, ``ref``) a simple value, ``Name:Type`` a complex one, and ``*`` means many.
"""

from dataclasses import dataclass

__all__ = ["ADD_ONLY", "OPERATIONS", "SIMPLE", "TYPES", "Operation", "Part", "request_type"]

SIMPLE = frozenset({"string", "decimal", "date", "dateTime", "boolean"})


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a complex type."""

    name: str
    type: str
    is_many: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what a row is called in its answer, empty where it changes something."""

    name: str
    row: str = ""


def _parts(notation: str) -> tuple[Part, ...]:
    found = []
    for word in notation.split():
        is_many = word.endswith("*")
        name, _, kind = word.rstrip("*").partition(":")
        found.append(Part(name, kind or "string", is_many))
    return tuple(found)


_READS = {
    "Get_Customers": (
        "Customer",
        (
            "Customer_Reference:ref Customer_Data:Customer_Data "
            "Customer_Balance_Data:Customer_Balance_Data"
        ),
        "Customer_Reference:ref*",
        "Customer_Reference_ID Customer_Name",
        (
            "Include_Customer_Data:boolean Include_Customer_Balance:boolean "
            "Include_Customer_Activity_Detail:boolean"
        ),
    ),
    "Get_Customer_Invoices": (
        "Customer_Invoice",
        "Customer_Invoice_Reference:ref Customer_Invoice_Data:Customer_Invoice_Data",
        "Customer_Invoice_Reference:ref*",
        (
            "Company_Reference:ref* Customers_Reference:ref* Invoice_Date_On_or_After:date "
            "Invoice_Date_On_or_Before:date Invoice_Due_Date_On_or_After:date "
            "Invoice_Due_Date_On_or_Before:date Payment_Status_Reference:ref* "
            "Invoice_Status_Reference:ref* Invoice_or_Invoice_Adjustment_Number"
        ),
        "Include_Customer_Invoice_Data:boolean",
    ),
    "Get_Customer_Invoice_Adjustments": (
        "Customer_Invoice_Adjustment",
        (
            "Customer_Invoice_Adjustment_Reference:ref "
            "Customer_Invoice_Adjustment_Data:Customer_Invoice_Adjustment_Data"
        ),
        "Customer_Invoice_Adjustment_Reference:ref*",
        (
            "Company_Reference:ref* Customers_Reference:ref* Invoice_Date_On_or_After:date "
            "Invoice_Date_On_or_Before:date"
        ),
        "Include_Customer_Invoice_Adjustment_Data:boolean",
    ),
    "Get_Customer_Payments": (
        "Customer_Payment_for_Invoices",
        "Customer_Payment_for_Invoices_Reference:ref Customer_Payment_Data:Customer_Payment_Data",
        "Customer_Payment_for_Invoices_Reference:ref*",
        (
            "Company_Reference:ref* Customer_Reference:ref* Payment_Date_On_or_After:date "
            "Payment_Date_On_or_Before:date"
        ),
        "Include_Customer_Payment_Data:boolean",
    ),
    "Get_Customer_Refunds": (
        "Customer_Refund",
        "Customer_Refund_Reference:ref Customer_Refund_Data:Customer_Refund_Data",
        "Customer_Refund_Reference:ref*",
        "Company_Reference:ref* Customers_Reference:ref*",
        "Include_Customer_Refund_Data:boolean",
    ),
}

_DATA = {
    "Workday_Common_Header": "Include_Reference_Descriptors_In_Response:boolean",
    "Response_Filter": "As_Of_Effective_Date:date As_Of_Entry_DateTime:dateTime Page:decimal "
    "Count:decimal",
    "Response_Results": "Total_Results:decimal Total_Pages:decimal Page_Results:decimal "
    "Page:decimal",
    "Business_Process_Parameters": "Auto_Complete:boolean Comment_Data:Comment_Data",
    "Comment_Data": "Comment",
    "Exception_Data": "Classification Message",
    # -- customers
    "Customer_Data": "Customer_ID Customer_Reference_ID Customer_Name "
    "Customer_Category_Reference:ref Payment_Terms_Reference:ref "
    "Default_Payment_Type_Reference:ref Credit_Limit_Currency_Reference:ref Credit_Limit:decimal "
    "Hierarchy_Credit_Limit:decimal Credit_Verification_Date:date Commercial_Credit_Score:decimal "
    "Commercial_Credit_Score_Date:date Commercial_Credit_Score_Note "
    "Composite_Risk_Score:decimal Composite_Risk_Score_Date:date Tax_ID_Data:Tax_ID_Data* "
    "Settlement_Account_Data:Settlement_Account_Data* Business_Entity_Data:Business_Entity_Data "
    "Customer_Status_Data:Customer_Status_Data* Currency_Reference:ref "
    "Remitfrom_Customer_Reference:ref Always_Separate_Payments:boolean Mandate_Required:boolean "
    "Followup_Date:date Note_Data:Note_Data*",
    "Customer_Balance_Data": "Default_Currency_Reference:ref Total_Balance:decimal "
    "Overdue_Balance:decimal YTD_Sales_Amount:decimal Last_12_Months_Sales_Amount:decimal",
    "Tax_ID_Data": "Tax_ID_Text Tax_ID_Type_Reference:ref Primary_Tax_ID:boolean",
    "Settlement_Account_Data": "Settlement_Account_ID Country_Reference:ref "
    "Currency_Reference:ref Bank_Account_Nickname Bank_Name Routing_Transit_Number "
    "Bank_Account_Number Bank_Account_Name BIC IBAN",
    "Business_Entity_Data": "Business_Entity_Name Contact_Data:Contact_Data",
    "Contact_Data": "Address_Data:Address_Data*",
    "Address_Data": "Effective_Date:date Country_Reference:ref Address_Line_Data* Municipality "
    "Country_Region_Reference:ref Postal_Code",
    "Customer_Status_Data": "Customer_Status_Value_Reference:ref "
    "Reason_for_Customer_Status_Change_Reference:ref Customer_Status_Change_Reason_Description",
    "Note_Data": "Note_Content Created_Moment:dateTime",
    # -- invoices and their adjustments
    "Customer_Invoice_Data": "Customer_Invoice_ID Submit:boolean Locked_in_Workday:boolean "
    "Invoice_Number Company_Reference:ref Customer_Reference:ref Currency_Reference:ref "
    "Invoice_Date:date Due_Date_Override:date Accounting_Date:date Payment_Terms_Reference:ref "
    "Control_Amount_Total:decimal Customer_PO_Number Memo Amount_Due:decimal Payment_Status "
    "Document_Status On_Hold:boolean Dispute_Date:date Dispute_Amount:decimal "
    "Dispute_Reason_Reference:ref* Collection_Date:date Payment_Amount_Promised:decimal "
    "Followup_Date:date Risk_Score:decimal Is_Excluded_from_Dunning_Letter:boolean "
    "Customer_Invoice_Line_Replacement_Data:Customer_Invoice_Line_Replacement_Data*",
    "Customer_Invoice_Line_Replacement_Data": "Line_Order Sales_Item_Reference:ref "
    "Line_Item_Description Revenue_Category_Reference:ref Quantity:decimal Unit_Cost:decimal "
    "Extended_Amount:decimal Memo",
    "Customer_Invoice_Adjustment_Data": "Customer_Invoice_Adjustment_ID Submit:boolean "
    "Invoice_Number Company_Reference:ref Customer_Reference:ref Currency_Reference:ref "
    "Adjustment_Reason_Reference:ref Increase_Amount_Due:boolean "
    "Original_Customer_Invoice_Reference:ref AutoApply_Adjustment_to_Invoice:boolean "
    "Adjustment_Date:date Accounting_Date:date Control_Amount_Total:decimal Memo "
    "Amount_Due:decimal Document_Status "
    "Customer_Invoice_Line_Replacement_Data:Customer_Invoice_Line_Replacement_Data*",
    "Collection_Information_Data": "On_Hold:boolean Is_Excluded_from_Dunning_Letter:boolean "
    "Followup_Date:date Dispute_Data:Dispute_Data Collection_Data:Collection_Data "
    "Note_Data:Note_Data*",
    "Dispute_Data": "Dispute_Date:date Dispute_Amount:decimal Dispute_Reason_Reference:ref*",
    "Collection_Data": "Collection_Date:date Payment_Amount_Promised:decimal "
    "Collection_Code_Reference:ref",
    # -- payments
    "Customer_Payment_Data": "Customer_Payment_for_Invoices_Reference_ID Company_Reference:ref "
    "Payment_Currency_Reference:ref Payment_Date:date Payment_Type_Reference:ref Payment_Number "
    "Payment_Amount:decimal Remitfrom_Customer_Reference:ref Check_Number Payment_Memo "
    "Ready_to_AutoApply:boolean Do_Not_Apply_Payment_to_Invoices_on_Hold:boolean "
    "Show_Only_Matched_Invoices_when_Applying:boolean Payment_Status Payment_Application_Status "
    "Customer_Payment_Remittance_Advice_Data:Customer_Payment_Remittance_Advice_Data*",
    "Customer_Payment_Remittance_Advice_Data": "Customer_Invoice_Reference:ref* "
    "Amount_to_Pay_in_Invoice_Currency:decimal Amount_to_Pay:decimal "
    "Billto_Customer_Reference:ref "
    "Customer_Payment_Remittance_Advice_Details_Data:"
    "Customer_Payment_Remittance_Advice_Details_Data*",
    "Customer_Payment_Remittance_Advice_Details_Data": "Remittance_Advice_Type_Reference:ref "
    "Detail_Information",
    # -- refunds
    "Customer_Refund_Data": "Customer_Refund_Reference_ID Submit:boolean Company_Reference:ref "
    "Customer_Reference:ref Currency_Reference:ref Customer_Refund_Date:date "
    "Total_Refund_Amount:decimal Memo Payee_Reference:ref Payment_Type_Reference:ref "
    "On_Account_Payments:On_Account_Payments*",
    "On_Account_Payments": "Customer_Payment_Reference:ref",
    # -- what changes something, and what it answers
    "Put_Customer_Request": "Customer_Reference:ref Customer_Data:Customer_Data",
    "Put_Customer_Response": "Customer_Reference:ref",
    "Submit_Customer_Invoice_Request": "Customer_Invoice_Reference:ref "
    "Business_Process_Parameters:Business_Process_Parameters "
    "Customer_Invoice_Data:Customer_Invoice_Data",
    "Submit_Customer_Invoice_Response": "Customer_Invoice_Reference:ref "
    "Exceptions_Response_Data:Exception_Data*",
    "Cancel_Customer_Invoice_Request": "Customer_Invoice_Reference:ref",
    "Cancel_Customer_Invoice_Response": "Customer_Invoice_Reference:ref",
    "Submit_Customer_Invoice_Adjustment_Request": "Customer_Invoice_Adjustment_Reference:ref "
    "Business_Process_Parameters:Business_Process_Parameters "
    "Customer_Invoice_Adjustment_Data:Customer_Invoice_Adjustment_Data",
    "Submit_Customer_Invoice_Adjustment_Response": "Customer_Invoice_Adjustment_Reference:ref "
    "Exceptions_Response_Data:Exception_Data*",
    "Put_Customer_Payment_Request": "Customer_Payment_for_Invoices_Reference:ref "
    "Customer_Payment_Data:Customer_Payment_Data",
    "Put_Customer_Payment_Response": "Customer_Payment_for_Invoices_Reference:ref",
    "Submit_Customer_Refund_Request": "Customer_Refund_Reference:ref "
    "Business_Process_Parameters:Business_Process_Parameters "
    "Customer_Refund_Data:Customer_Refund_Data",
    "Submit_Customer_Refund_Response": "Customer_Refund_Reference:ref "
    "Exceptions_Response_Data:Exception_Data*",
    "Put_Customer_Invoice_Collection_Information_Request": "Customer_Invoice_Reference:ref "
    "Customer_Invoice_Collection_Information_Data:Collection_Information_Data",
    "Put_Customer_Invoice_Collection_Information_Response": "Customer_Invoice_Reference:ref",
}

TYPES: dict[str, tuple[Part, ...]] = {name: _parts(text) for name, text in _DATA.items()}
OPERATIONS: dict[str, Operation] = {
    name.removesuffix("_Request"): Operation(name.removesuffix("_Request"))
    for name in _DATA
    if name.endswith("_Request")
}
for _name, (_row, _content, _references, _criteria, _group) in _READS.items():
    OPERATIONS[_name] = Operation(_name, _row)
    TYPES[_row] = _parts(_content)
    TYPES[f"{_name}_References"] = _parts(_references)
    TYPES[f"{_name}_Criteria"] = _parts(_criteria)
    TYPES[f"{_name}_Group"] = _parts(f"Include_Reference:boolean {_group}")
    TYPES[f"{_name}_Data"] = _parts(f"{_row}:{_row}*")
    _asked = (
        f"Request_References:{_name}_References Request_Criteria:{_name}_Criteria "
        f"Response_Filter:Response_Filter Response_Group:{_name}_Group"
    )
    TYPES[f"{_name}_Request"] = _parts(_asked)
    TYPES[f"{_name}_Response"] = _parts(
        f"{_asked} Response_Results:Response_Results Response_Data:{_name}_Data"
    )

#: Requests with the attribute that forbids changing what is there.
ADD_ONLY = frozenset(
    f"{name}_Request"
    for name in (
        "Put_Customer",
        "Put_Customer_Payment",
        "Submit_Customer_Invoice",
        "Submit_Customer_Invoice_Adjustment",
        "Submit_Customer_Refund",
    )
)


def request_type(operation: str) -> str:
    """Name of an operation's request element and type."""
    return f"{operation}_Request"
